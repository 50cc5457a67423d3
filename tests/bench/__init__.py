"""Benchmarks: two ways of doing one thing, timed in turn in one run (`make bench`). They check equality, never a time."""
