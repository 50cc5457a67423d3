"""Kept memory: the system is asked for pages once, and no number changes."""

import platform
import resource
import subprocess
import sys

import pytest

PROGRAM = """
import resource, sys, torch
from icl.memory import keep_freed_memory
if sys.argv[1] == "keep":
    assert keep_freed_memory()
for _ in range(30):
    torch.ones(16, 1024, 1024)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
total = sum(float(torch.ones(16, 1024, 1024)[-1].sum()) for _ in range(30))
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before, total)
"""


def faults(word: str) -> list[float]:
    done = subprocess.run([sys.executable, "-c", PROGRAM, word], capture_output=True, text=True, check=True)
    return [float(part) for part in done.stdout.split()]


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library")
def test_the_system_gives_pages_once():
    (usual, expected), (kept, found) = faults("usual"), faults("keep")
    pages = 16 * 2**22 / resource.getpagesize()
    assert 4 * kept < 30 * pages <= usual  # a small allocation may pin a block now and then
    assert found == expected


def test_another_c_library_is_left_alone(monkeypatch):
    from icl import memory

    monkeypatch.setattr(memory.ctypes, "CDLL", lambda name: object())
    assert not memory.keep_freed_memory()
