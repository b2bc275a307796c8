"""What `served.py` has gunicorn run: the variant that the environment names, 1 KB in and out, ten keys denied."""

import os

import variants

app = variants.build(os.environ["BENCH_VARIANT"], "POST", variants.document(1_000), True, 10)
