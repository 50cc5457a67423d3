"""Whether a killed job's state may be resumed."""

import hashlib
import os
from pathlib import Path


def drop_foreign_state(snakemake, folder: Path) -> None:
    """Remove a killed job's training state where it had other settings or inputs: only the same job may resume."""
    inputs = [(str(path), os.stat(path).st_mtime_ns) for path in snakemake.input]
    mine = hashlib.sha256(repr((sorted(snakemake.params.items()), inputs)).encode()).hexdigest()
    mark = folder / "state.sha256"
    if (folder / "state.pt").exists() and (not mark.exists() or mark.read_bytes() != mine.encode()):
        (folder / "state.pt").unlink()
    folder.mkdir(parents=True, exist_ok=True)
    mark.write_text(mine)
