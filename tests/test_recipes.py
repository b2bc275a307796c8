"""The recipes of docs/operations.md, in real mount namespaces and under real user ids."""

from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path
from typing import NamedTuple

import pytest

import wsgi
from pods import APP, SHM, Pod, Service, bind, finished
from readme_metrics.collector import Answer, Collector
from servers import wait_until

KILLED = "os.kill(os.getpid(), signal.SIGKILL)"

pytestmark = pytest.mark.root


@pytest.fixture
def volume(tmp_path: Path) -> Path:
    """A directory that outlives a pod."""
    path = tmp_path / "volume"
    path.mkdir()
    return path


class Volume(NamedTuple):
    mode: int
    owner: tuple[int, int]
    pod: Pod
    #: Whether the files are opened to the group, as kubelet does each time it mounts a volume with `fsGroup`.
    is_opened: bool = False


#: OpenShift runs apps under an arbitrary user id, in the group of root.
ARBITRARY = 1_000_680_000
VOLUMES = {
    "emptyDir": Volume(0o777, (0, 0), Pod()),
    "emptyDir, any uid": Volume(0o777, (0, 0), Pod(ARBITRARY, 0)),
    "fsGroup 2775": Volume(0o2775, (0, 2000), Pod(groups="2000"), is_opened=True),
    "fsGroup 2770": Volume(0o2770, (0, 2000), Pod(groups="2000"), is_opened=True),
    "OpenShift": Volume(0o775, (0, 0), Pod(ARBITRARY, 0)),
    "OpenShift, 770": Volume(0o770, (0, 0), Pod(ARBITRARY, 0)),
}


@pytest.mark.parametrize("kind", VOLUMES)
def test_a_volume_keeps_the_logs_of_a_killed_pod_for_the_next(collector: Collector, volume: Path, kind: str) -> None:
    mode, owner, pod, is_opened = VOLUMES[kind]
    os.chown(volume, *owner)
    volume.chmod(mode)
    pod = pod._replace(mounts=f"{SHM}\n{bind(volume, '/mnt/data')}", options="queue_dir='/mnt/data'")
    environ = {"README_METRICS_SERVER": collector.url}
    collector.answer = lambda _: Answer(503)
    first = finished(pod.start(f"log(3); say_where(); {KILLED}", environ))
    assert first.code == -signal.SIGKILL, first.err
    [directory] = volume.iterdir()
    assert first.out == f"/mnt/data/{directory.name}"
    assert "cannot be rescued" not in first.err
    assert (directory.stat().st_mode & 0o7777 & ~0o2000, directory.stat().st_uid) == (0o700, pod.uid)
    if is_opened:
        for path in (directory, *directory.iterdir()):
            os.chown(path, -1, 2000)
            path.chmod(path.stat().st_mode | (0o2070 if path.is_dir() else 0o060))
    collector.answer = lambda _: Answer()
    second = finished(pod.start("log(1); say_where()", environ))
    assert (second.code, second.out) == (0, first.out), second.err
    assert len(collector.ids()) == 4


#: What a hardened pod leaves writable, and where the queue is then.
HARDENED = {
    "emptyDir at /tmp and /dev/shm": (f"{SHM}\nmount -t tmpfs -o mode=0777 none /tmp", "/dev/shm/"),
    "emptyDir at /tmp": ("mount -t tmpfs -o ro none /dev/shm\nmount -t tmpfs -o mode=0777 none /tmp", "/tmp/"),
    "nothing": ("mount -t tmpfs -o ro none /dev/shm\nmount -t tmpfs -o ro none /tmp", "None"),
}


@pytest.mark.parametrize("kind", HARDENED)
def test_a_read_only_root(collector: Collector, kind: str) -> None:
    """An arbitrary uid, no home, and no file of the image can be written; the server takes logs."""
    mounts, where = HARDENED[kind]
    pod = Pod(ARBITRARY, 0, mounts=f"mount -o remount,bind,ro /\n{mounts}")
    ended = finished(
        pod.start(
            "log(3); say_where()\ntry: open('/written', 'w')\nexcept OSError: print('read-only')",
            {"README_METRICS_SERVER": collector.url},
        )
    )
    assert ended.code == 0, ended.err
    directory, is_read_only = ended.out.splitlines()
    assert directory.startswith(where)
    assert is_read_only == "read-only"
    assert ("cannot be rescued" in ended.err) == (where == "None")
    assert len(collector.ids()) == 3


def flush(pod: Pod, environ: dict[str, str]) -> None:
    ended = finished(
        pod.run("-m", "readme_metrics", "flush", "--timeout", "30", environ={**environ, "README_API_KEY": wsgi.API_KEY})
    )
    assert ended.code == 0, ended


def remove(directory: Path) -> None:
    """Removes a directory that its owner still uses and may still make files in."""
    while directory.exists():
        shutil.rmtree(directory, ignore_errors=True)


def test_systemd_removes_what_its_user_has_in_shared_memory(collector: Collector, volume: Path) -> None:
    """`RemoveIPC=yes`: logind deletes the user's files in /dev/shm at the last logout, while the service runs.

    Then the service is killed, and `ExecStopPost=` delivers what it left.
    """
    volume.chmod(0o1777)
    pod = Pod(mounts=bind(volume, "/dev/shm"))
    environ = {"README_METRICS_SERVER": collector.url}
    collector.answer = lambda _: Answer(503)
    with Service(pod, environ) as service:
        directory = volume / Path(service.log(20)).name
        remove(directory)
        wait_until(lambda: len(list(directory.glob("*.seg"))) > 1, "the directory and its segments did not come back")
        assert Path(service.log(20)).name == directory.name
    collector.answer = lambda _: Answer()
    flush(pod, environ)
    assert len(collector.ids()) == service.made


def test_systemd_removes_the_runtime_directory(collector: Collector, volume: Path) -> None:
    """`RuntimeDirectory=`: its parent belongs to root, so the app cannot make it again, and the next rung is taken."""
    runtime = volume / "app"
    runtime.mkdir()
    os.chown(runtime, APP, APP)
    pod = Pod(mounts=f"{SHM}\n{bind(volume, '/mnt/run')}", options="queue_dir='/mnt/run/app', buffer_length=100000")
    with Service(pod, {"README_METRICS_SERVER": collector.url}) as service:
        assert service.log(20).startswith("/mnt/run/app/")
        remove(runtime)
        wait_until(lambda: service.log().startswith("/dev/shm/"), "the next rung was not taken")
        service.end()
    assert len(collector.ids()) == service.made


def test_cron_jobs_in_an_outage(collector: Collector, volume: Path) -> None:
    """Almost no environment, no home, a life shorter than a second; the job after the outage delivers all logs."""
    volume.chmod(0o1777)
    pod = Pod(mounts=bind(volume, "/dev/shm"))
    environ = {"README_METRICS_SERVER": collector.url}
    collector.answer = lambda _: Answer(503)
    for _ in range(3):
        assert finished(pod.start("log(5)", environ)).code == 0
    [directory] = volume.iterdir()
    assert sum(file.stat().st_blocks * 512 for file in directory.glob("*.seg")) <= 3 * 16 * 1024
    collector.answer = lambda _: Answer()
    assert finished(pod.start("log(5)", environ)).code == 0
    assert len(collector.ids()) == 20


def test_a_process_for_each_request_and_a_flush_now_and_then(collector: Collector, volume: Path) -> None:
    """The parent lives for days and never looks for logs; the command, run by cron as the same user, delivers them."""
    volume.chmod(0o1777)
    pod = Pod(mounts=bind(volume, "/dev/shm"), options="buffer_length=1000")
    environ = {"README_METRICS_SERVER": collector.url}
    request = (
        "pid = os.fork()\n    if not pid: log(1); os._exit(0)\n    os.waitpid(pid, 0); print('served', flush=True)"
    )
    with Service(pod, environ, request) as service:
        for _ in range(20):
            service.log()
        flush(pod, environ)
        assert len(collector.ids()) == service.made == 20


SERVERLESS = {
    "each request sends": ("background_worker_mode=False, buffer_length=1, timeout=30", "log(1); say_where()"),
    "the handler flushes": ("", "log(1); middleware.flush(30); say_where()"),
}


@pytest.mark.parametrize("kind", SERVERLESS)
def test_a_process_that_is_frozen_after_each_request(collector: Collector, kind: str) -> None:
    """Serverless platforms do this, and only /tmp can be written there. The timeouts are longer, for a busy machine."""
    options, request = SERVERLESS[kind]
    mounts = "mount -t tmpfs -o ro none /dev/shm\nmount -t tmpfs -o mode=0777 none /tmp"
    pod = Pod(993, 990, mounts=f"mount -o remount,bind,ro /\n{mounts}", options=options)
    with Service(pod, {"README_METRICS_SERVER": collector.url}, request) as service:
        for count in range(1, 4):
            assert service.log().startswith("/tmp/")
            service.signal(signal.SIGSTOP)
            assert len(collector.ids()) == count, "sent before the freeze"
            service.signal(signal.SIGCONT)
