"""What `import readme_metrics` costs a process, in milliseconds of processor time, less what an empty process takes.

python benches/middleware/imported.py --published PATH/TO/PYTHON_WITH_3.4.0
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
from statistics import median

RUNS = 20


def cpu_ms(python: str, code: str) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([python, "-c", code], check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime) * 1000


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--published", metavar="PYTHON", help="an interpreter with readme-metrics 3.4.0")
    published = parser.parse_args().published
    code = "from readme_metrics import MetricsApiConfig, MetricsMiddleware"
    pythons = {**({"published": published} if published else {}), "ours": sys.executable}
    times: dict[str, list[float]] = {name: [] for name in pythons}
    for _ in range(RUNS):
        for name, python in pythons.items():
            times[name].append(cpu_ms(python, code) - cpu_ms(python, "pass"))
    print("| import | " + " | ".join(pythons) + " |")
    print("|---" * (len(pythons) + 1) + "|")
    print("| ms of processor time | " + " | ".join(f"{median(found):.0f}" for found in times.values()) + " |")


if __name__ == "__main__":
    main()
