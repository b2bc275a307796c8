"""Checks a built wheel: its tag against what its code needs, its size, its contents.

    python .ci/check_wheel.py dist/*.whl

Prints a line for each wheel; exits with 1 and says why if one is not what it should be.
"""

from __future__ import annotations

import re
import sys
import zipfile
from pathlib import Path

#: A wheel is one compiled module and some 40 small text files; a much larger one has something else in it.
MAX_WHEEL_BYTES = 2 * 1024 * 1024
EXPECTED = ("py.typed", "_core.pyi", "MetricsApiConfig.py", "MetricsMiddleware.py", "VerifyWebhook.py", "util.py")


def faults(wheel: Path) -> list[str]:
    """What is wrong with `wheel`; nothing if it may be published."""
    found = []
    match = re.fullmatch(r"readme_metrics-[^-]+-(cp310-abi3|cp3\d+-cp3\d+t)-([\w.]+)\.whl", wheel.name)
    if not match:
        return [f"{wheel.name}: neither an abi3 wheel for CPython 3.10 nor a free-threaded one"]
    platforms = match[2]
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        modules = [name for name in names if re.fullmatch(r"readme_metrics/_core\.[\w.-]*(so|pyd)", name)]
        binary = archive.read(modules[0]) if modules else b""
    if len(modules) != 1:
        found.append(f"{len(modules)} compiled modules, not 1")
    found += [f"no {name}" for name in EXPECTED if f"readme_metrics/{name}" not in names]
    ours = re.compile(r"readme_metrics(-[^/]+\.dist-info)?/")
    found += [f"{name} does not belong here" for name in names if not ours.match(name)]
    if not any(name.endswith("LICENSE") for name in names):
        found.append("no licence")
    if wheel.stat().st_size > MAX_WHEEL_BYTES:
        found.append(f"{wheel.stat().st_size:,} bytes, more than {MAX_WHEEL_BYTES:,}")
    if "linux" in platforms and "musllinux" not in platforms:
        found += _glibc_faults(platforms, binary)
    return found


def glibc_needed(binary: bytes) -> tuple[int, int]:
    """The newest glibc whose symbols an ELF file asks for. The file has their names as text."""
    versions = re.findall(rb"GLIBC_(\d+)\.(\d+)", binary)
    return max(((int(major), int(minor)) for major, minor in versions), default=(0, 0))


def _glibc_faults(platforms: str, binary: bytes) -> list[str]:
    claimed = [(int(major), int(minor)) for major, minor in re.findall(r"manylinux_(\d+)_(\d+)_", platforms)]
    if not claimed:
        return [f"{platforms} is not a manylinux tag: the package index refuses it"]
    needed = glibc_needed(binary)
    return [f"needs glibc {needed}, the tag says {min(claimed)}"] if needed > min(claimed) else []


def main(arguments: list[str]) -> int:
    if not arguments:
        print(__doc__, file=sys.stderr)
        return 2
    status = 0
    for wheel in map(Path, arguments):
        found = faults(wheel)
        print(f"{wheel.name}: {wheel.stat().st_size:,} bytes: {'; '.join(found) or 'good'}")
        status |= bool(found)
    return status


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
