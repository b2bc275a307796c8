"""`Tally`: whether the log of every answered request arrived, once, and without its secrets."""

from __future__ import annotations

from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Tally:
    """The result of a demo run."""

    requested: int
    """Requests that were to be sent."""
    answered: int
    """Requests that got a response; a request tried again counts once."""
    cut: int
    """Attempts that got no response. The app may have logged them, or not."""
    received: int
    """Logs received, duplicates included."""
    distinct: int
    """Different `_id`s among them."""
    duplicates: int
    lost: int
    """Answered requests whose log did not arrive."""
    unannounced: int
    """Logs whose id no response has announced."""
    leaked: int
    """Secrets found where they must not be."""

    @classmethod
    def count(
        cls,
        *,
        requested: int,
        answered: int,
        cut: int,
        announced_ids: set[str],
        received: int,
        received_ids: set[str],
        leaked: int,
    ) -> Tally:
        """`announced_ids` are those in the `x-documentation-url` of the responses."""
        return cls(
            requested=requested,
            answered=answered,
            cut=cut,
            received=received,
            distinct=len(received_ids),
            duplicates=received - len(received_ids),
            # A response without an id counts as lost, since nobody can tell whether its log arrived.
            lost=answered - len(announced_ids & received_ids),
            unannounced=len(received_ids - announced_ids),
            leaked=leaked,
        )

    def differences(self) -> list[str]:
        """The numbers that do not add up, in words; empty if all is well."""
        checks = [
            (self.answered != self.requested, f"{self.requested - self.answered} not answered"),
            (self.lost > 0, f"{self.lost} lost"),
            (self.leaked > 0, f"{self.leaked} secrets leaked"),
            (
                self.unannounced > self.cut,
                f"{self.unannounced} logs of no answered request, {self.cut} attempts were cut",
            ),
        ]
        return [difference for is_wrong, difference in checks if is_wrong]

    def as_dict(self) -> dict[str, int]:
        return asdict(self)
