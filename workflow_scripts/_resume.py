"""Let the same command resume after a kill: the lock of a dead run is lifted (profiles/default does the rest)."""

import hashlib
import os
import shutil
import socket
from pathlib import Path

RUNNING = Path(".snakemake") / "running"


def lift_stale_lock(workflow) -> None:
    """Remove the lock where the run that took it no longer exists on this machine."""
    if workflow.is_main_process and RUNNING.exists() and not _alive(*RUNNING.read_text().split()):
        shutil.rmtree(".snakemake/locks", ignore_errors=True)
        RUNNING.unlink(missing_ok=True)


def mark_running() -> None:
    """Record the process that holds the lock."""
    RUNNING.parent.mkdir(exist_ok=True)
    RUNNING.write_text(f"{socket.gethostname()} {os.getpid()}")


def mark_done() -> None:
    """Forget it."""
    RUNNING.unlink(missing_ok=True)


def _alive(host: str, pid: str) -> bool:
    if host != socket.gethostname():
        return True  # cannot know: leave the lock to `snakemake --unlock`
    try:
        return b"snakemake" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


def drop_foreign_state(snakemake, folder: Path) -> None:
    """Remove a killed job's training state where it had other settings or inputs: only the same job may resume."""
    inputs = [(str(path), os.stat(path).st_mtime_ns) for path in snakemake.input]
    mine = hashlib.sha256(repr((sorted(snakemake.params.items()), inputs)).encode()).hexdigest()
    mark = folder / "state.sha256"
    if (folder / "state.pt").exists() and (not mark.exists() or mark.read_bytes() != mine.encode()):
        (folder / "state.pt").unlink()
    folder.mkdir(parents=True, exist_ok=True)
    mark.write_text(mine)
