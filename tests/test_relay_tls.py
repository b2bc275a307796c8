"""TLS between apps, relays and Redis."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from readme_metrics.collector import Collector
from redis_server import RedisServer
from relaying import BY_HAND, RelayProcess, app, eventually, log

pytestmark = pytest.mark.usefixtures("no_process_is_left")


def certificate(
    directory: Path, name: str, alternative: str = "IP:127.0.0.1", until: str = "20991231235959Z"
) -> tuple[Path, Path]:
    """A self-signed certificate and its key."""
    (directory / f"{name}.index").touch()
    paths = {kind: directory / f"{name}.{kind}" for kind in ("cnf", "pem", "key", "csr", "index")}
    paths["cnf"].write_text(
        f"[ca]\ndefault_ca=own\n[own]\ndatabase={paths['index']}\nnew_certs_dir={directory}\ndefault_md=sha256\n"
        f"policy=any\nrand_serial=yes\nx509_extensions=names\n[any]\ncommonName=supplied\n"
        f"[names]\nsubjectAltName={alternative}\nbasicConstraints=CA:TRUE\n[req]\ndistinguished_name=dn\n[dn]\n"
    )
    new = f"req -config {paths['cnf']} -new -newkey rsa:2048 -nodes -subj /CN={name}"
    sign = f"ca -config {paths['cnf']} -batch -notext -selfsign -keyfile {paths['key']} -in {paths['csr']}"
    for command in (
        f"{new} -keyout {paths['key']} -out {paths['csr']}",
        f"{sign} -startdate 20200101000000Z -enddate {until} -out {paths['pem']}",
    ):
        subprocess.run(["openssl", *command.split()], check=True, capture_output=True)
    return paths["pem"], paths["key"]


@pytest.mark.skipif(not shutil.which("openssl"), reason="makes its certificates with openssl")
def test_tls_with_a_private_authority(tmp_path: Path, collector: Collector, caplog: pytest.LogCaptureFixture) -> None:
    right, key = certificate(tmp_path, "right")
    wrong, _ = certificate(tmp_path, "wrong")
    files = ("--tls-cert-file", str(right), "--tls-key-file", str(key), "--tls-ca-cert-file", str(right))
    server = RedisServer(tmp_path / "tls", "--save", "", *files, "--tls-auth-clients", "no", tls=True)
    server.start()
    plain = server.url.replace("redis://", "rediss://")
    for url in (plain, f"{plain}?ssl_ca_certs={wrong}"):
        middleware = app(url, **BY_HAND)
        log(middleware, range(3))
        assert middleware.flush(60) == 3
        assert middleware.stats()["retries"] == 1
    assert "ConnectionError: TLS" in caplog.text
    trusting = f"{plain}?ssl_ca_certs={right}"
    middleware = app(trusting, **BY_HAND)
    log(middleware, range(3))
    # The entries that the other two have left are in this app's queue as well: parameters are not part of the address.
    eventually(lambda: middleware.flush(60) == 0)
    relay = RelayProcess(trusting, collector.url)
    assert collector.wait_for(3, 60)
    assert relay.stop() == 0
    server.kill()


@pytest.mark.skipif(not shutil.which("openssl"), reason="makes its certificates with openssl")
def test_an_expired_certificate_and_that_of_another_host(tmp_path: Path) -> None:
    old, old_key = certificate(tmp_path, "old", until="20200201000000Z")
    other, other_key = certificate(tmp_path, "other", "DNS:elsewhere.example")
    for name, (path, key) in {"expired": (old, old_key), "name": (other, other_key)}.items():
        files = ("--tls-cert-file", str(path), "--tls-key-file", str(key), "--tls-ca-cert-file", str(path))
        server = RedisServer(tmp_path / name, "--save", "", *files, "--tls-auth-clients", "no", tls=True)
        server.start()
        url = server.url.replace("redis://", "rediss://") + f"?ssl_ca_certs={path}"
        middleware = app(url, **BY_HAND)
        log(middleware, range(3))
        assert middleware.flush(60) == 3, name
        server.kill()
