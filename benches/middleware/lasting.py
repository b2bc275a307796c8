"""What stays after 50,000 requests of 1 KB: memory over the bare app's, and threads.

python benches/middleware/lasting.py --published PATH/TO/PYTHON_WITH_3.4.0
"""

from __future__ import annotations

import time
from contextlib import closing

from columns import columns
from compare import Scenario, Worker
from sink import Sink

REQUESTS = 50_000
#: So that the published SDK, which starts a thread per batch, is not asked for more than it can send.
ROUNDS = 50
#: After this time, a queue that has grown has shrunk again.
CALM_S = 8


def main() -> None:
    compared = columns(__doc__)
    scenario = Scenario("POST", 1_000, True, 10, REQUESTS)
    print("| 50,000 requests | resident at the end, MB | 8 s later | threads at the end | at most |")
    print("|---|---|---|---|---|")
    for name, (python, variant) in compared.items():
        with Sink() as sink, closing(Worker(python, scenario, sink.url)) as worker:
            rounds = [worker.measure(variant, REQUESTS // ROUNDS) for _ in range(ROUNDS)]
            time.sleep(CALM_S)
            later = worker.measure(variant, 1)
        megabytes = [f"{result['rss_mb']:.0f}" for result in (rounds[-1], later)]
        threads = [str(rounds[-1]["threads"]), str(max(result["most_threads"] for result in rounds))]
        print(f"| {name} | " + " | ".join(megabytes + threads) + " |", flush=True)


if __name__ == "__main__":
    main()
