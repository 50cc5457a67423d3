"""Train a retriever in several processes: writes the job down and lets torchrun start them, under `srun` on several nodes.

`python -m icl.retriever.training.launch job.json` is what each process runs.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path


def launch(job: dict, processes: int, nodes: int, threads: int, out: Path) -> None:
    """Run `train_retriever` in `processes` processes.

    Args:
        job: settings (mapping), pairs, root, seed, out, augmented (path or None).
        processes: all of them; nodes: over how many machines. threads: CPU threads of all processes of one machine.
        out: folder for the job's description.

    Raises:
        ChildProcessError: a process failed; its message is in the log.
    """
    description = out / "job.json"
    description.parent.mkdir(parents=True, exist_ok=True)
    description.write_text(json.dumps(job))
    each = processes // nodes
    call = [sys.executable, "-m", "torch.distributed.run", "--nnodes", str(nodes), "--nproc-per-node", str(each)]
    if nodes == 1:
        call.append("--standalone")
    else:  # in a Slurm job: one torchrun a node, which find each other at the job's first one
        first = subprocess.run(
            ["scontrol", "show", "hostnames", os.environ["SLURM_JOB_NODELIST"]], capture_output=True, text=True
        ).stdout.split()[0]
        port = 20000 + int(os.environ["SLURM_JOB_ID"]) % 20000
        call += [
            "--rdzv-backend",
            "c10d",
            "--rdzv-endpoint",
            f"{first}:{port}",
            "--rdzv-id",
            os.environ["SLURM_JOB_ID"],
        ]
        call = ["srun", f"--nodes={nodes}", f"--ntasks={nodes}", "--ntasks-per-node=1", *call]
    surroundings = {**os.environ, "OMP_NUM_THREADS": str(max(1, threads // each))}
    done = subprocess.run([*call, "-m", "icl.retriever.training.launch", str(description)], env=surroundings)
    if done.returncode:
        raise ChildProcessError(f"training in {processes} processes ended with status {done.returncode}; see the log")
    description.unlink()


def run(description: Path) -> None:
    """One process of a training."""
    from icl.data.pairs import read_pairs
    from icl.fields import typed
    from icl.retriever.settings import RetrieverSettings
    from icl.retriever.training.trainer import train_retriever

    job = json.loads(description.read_text())
    augmented = Path(job["augmented"]) if job["augmented"] else None
    settings, pairs = typed(RetrieverSettings, job["settings"]), read_pairs(Path(job["pairs"]))
    train_retriever(settings, pairs, Path(job["root"]), job["seed"], Path(job["out"]), augmented)


if __name__ == "__main__":
    run(Path(sys.argv[1]))
