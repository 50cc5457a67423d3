"""One thread a test process: the tests run in parallel, and their results must not depend on the machine."""

import os

for library in ("OMP", "MKL", "OPENBLAS"):
    os.environ.setdefault(f"{library}_NUM_THREADS", "1")
