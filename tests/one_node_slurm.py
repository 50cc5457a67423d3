"""A real Slurm of one node on this machine, for the tests of the Slurm profile. Needs root and Debian's slurm packages."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from pathlib import Path

PROGRAMS = ("slurmctld", "slurmd", "munged", "sbatch")
PACKAGES = ("slurm-wlm", "munge")
CONF = """ClusterName=tests
SlurmctldHost=localhost
SlurmUser=root
MpiDefault=none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
ReturnToService=2
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
AccountingStorageType=accounting_storage/none
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
SlurmdSpoolDir={folder}/spool
StateSaveLocation={folder}/state
NodeName=localhost CPUs={cpus} RealMemory={memory} State=UNKNOWN
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""


def idle() -> bool:
    """Whether a Slurm answers here with a node that can take jobs."""
    if not shutil.which("sinfo"):
        return False
    found = subprocess.run(["sinfo", "-h", "-o", "%T"], capture_output=True, text=True)
    return found.returncode == 0 and any(state in found.stdout for state in ("idle", "mixed", "allocated"))


def start(folder: Path) -> str:
    """Start it, with all its state below `folder`; returns what is missing, or an empty text."""
    if idle():
        return ""
    if os.geteuid() != 0:
        return "no Slurm here, and only root can start one"
    if not all(map(shutil.which, PROGRAMS)):
        install = ["apt-get", "install", "-y", "-qq", *PACKAGES]
        quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        subprocess.run(["apt-get", "update", "-qq"], env=quiet, capture_output=True)
        subprocess.run(install, env=quiet, capture_output=True)
    missing = [name for name in PROGRAMS if not shutil.which(name)]
    if missing:
        return f"no {', '.join(missing)}: install {' '.join(PACKAGES)}"
    for path in (folder / "state", folder / "spool", Path("/etc/slurm"), Path("/run/munge")):
        path.mkdir(parents=True, exist_ok=True)
    shutil.chown("/run/munge", "munge", "munge")
    memory = int(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**20 * 0.9)
    conf = CONF.format(folder=folder, cpus=len(os.sched_getaffinity(0)), memory=memory)
    Path("/etc/slurm/slurm.conf").write_text(conf)
    subprocess.run(["runuser", "-u", "munge", "--", "munged"], capture_output=True)
    subprocess.run(["slurmctld"], check=True, capture_output=True)
    subprocess.run(["slurmd", "-N", "localhost"], check=True, capture_output=True)
    for _ in range(60):
        if idle():
            return ""
        time.sleep(0.5)
    return f"Slurm did not become idle; see {folder}/*.log"


def stop(folder: Path) -> None:
    """Stop what `start` started."""
    for name in ("slurmd", "slurmctld"):
        pid = folder / f"{name}.pid"
        if pid.exists():
            subprocess.run(["kill", pid.read_text().strip()], capture_output=True)
