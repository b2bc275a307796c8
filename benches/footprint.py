"""What a package costs before it does anything: bytes on disk with its dependencies, and the time of its import.

    python benches/footprint.py dist/manylinux/*.whl readme-metrics==3.4.0

Each argument is something that pip installs. It gets a fresh virtual environment; "all" is what site-packages gained,
"own" the package alone, compiled files included. Import is processor time, which other processes disturb least: the
median and the least of RUNS new processes, in turn, less what an empty process of the same environment takes.
"""

from __future__ import annotations

import resource
import statistics
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

RUNS = 40
IMPORT = "import readme_metrics"
COUNT = f"import sys; before = set(sys.modules); {IMPORT}; print(len(set(sys.modules) - before))"


class Installed:
    """One package in an environment of its own."""

    def __init__(self, requirement: str, directory: Path) -> None:
        self.name = Path(requirement).name.removesuffix(".whl")
        venv.create(directory, with_pip=True)
        self._python = directory / "bin" / "python"
        [site_packages] = directory.glob("lib/python*/site-packages")
        before = _bytes_in(site_packages)
        subprocess.run([self._python, "-m", "pip", "install", "--quiet", requirement], check=True)
        self.run(IMPORT)  # writes the compiled files of what it imports, as the first start does
        self.all_bytes = _bytes_in(site_packages) - before
        self.own_bytes = _bytes_in(site_packages / "readme_metrics")
        self.modules = int(subprocess.check_output([self._python, "-c", COUNT]))
        self.milliseconds: list[float] = []

    def run(self, code: str) -> float:
        """Milliseconds of processor time that a new process takes for `code`."""
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([self._python, "-c", code], check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return (after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime) * 1000

    def measure(self) -> None:
        self.milliseconds.append(self.run(IMPORT) - self.run("pass"))


def _bytes_in(directory: Path) -> int:
    return sum(path.stat().st_size for path in directory.rglob("*") if path.is_file())


def main(requirements: list[str]) -> int:
    if not requirements:
        print(__doc__, file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory() as scratch:
        packages = [Installed(what, Path(scratch) / str(index)) for index, what in enumerate(requirements)]
        for _ in range(RUNS):
            for package in packages:
                package.measure()
        print("| package | own, MB | all, MB | import, ms of CPU (median; least) | modules |")
        print("|---|---|---|---|---|")
        for package in packages:
            times = f"{statistics.median(package.milliseconds):.0f}; {min(package.milliseconds):.0f}"
            own, whole = package.own_bytes / 1e6, package.all_bytes / 1e6
            print(f"| {package.name} | {own:.1f} | {whole:.1f} | {times} | {package.modules} |")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
