"""The Redis permissions that apps and relays need, as the commands that grant them."""

from __future__ import annotations

from readme_metrics.relay.layout import Keys


def app_acl(user: str, keys: Keys) -> str:
    """The ACL command that lets an app's user add logs, and neither read them nor touch anything else."""
    return (
        f"ACL SETUSER {user} resetkeys ~{keys.stream} ~{keys.totals} ~{keys.relays} ~{keys.base_url} "
        "-@all +eval +evalsha +xadd +xlen +hget +hgetall +hset +hincrby +get +time +select"
    )


def relay_acl(user: str) -> str:
    """The ACL command that lets a relay's user do what relays do, for all projects."""
    commands = (
        "eval evalsha xadd xlen xreadgroup xack xdel xclaim xpending xrange xrevrange xinfo xgroup "
        "hget hset hdel hincrby hgetall get set scan info time select"
    )
    return f"ACL SETUSER {user} resetkeys ~readme-metrics:* -@all " + " ".join(f"+{name}" for name in commands.split())
