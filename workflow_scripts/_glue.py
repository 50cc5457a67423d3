"""What every script shares: a log, a thread limit, and one clear message where something goes wrong."""

import gc
import os
import sys
import threading
import time
import traceback
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # icl/, also where it is not installed
gc.set_threshold(10_000)  # imports leave little garbage; looking for it every 700 objects takes a sixth of their time
os.environ["HF_HUB_DISABLE_PROGRESS_BARS"] = os.environ["TQDM_DISABLE"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"

import psutil  # noqa: E402
from _running import at_work  # noqa: E402

from icl.errors import InputError  # noqa: E402
from icl.progress.state import INTERRUPTED, VARIABLE, own_state, state_file  # noqa: E402


@contextmanager
def job(snakemake):
    """Run the body with stdout and stderr in the rule's log; its state file tells the run's terminal how it goes."""
    for library in ("OMP", "MKL", "OPENBLAS", "NUMEXPR"):
        os.environ[f"{library}_NUM_THREADS"] = str(snakemake.threads)
    os.environ[VARIABLE] = str(state_file(snakemake.log[0]).absolute())
    log = open(snakemake.log[0], "w", buffering=1)  # noqa: SIM115 (kept open until the process ends)
    os.dup2(log.fileno(), 1)
    os.dup2(log.fileno(), 2)
    at_work(snakemake.config.get("results", "results"))
    threading.Thread(target=_end_with, args=(_ancestors(),), daemon=True).start()
    try:
        yield
    except InputError as error:
        print(f"\nERROR {error}\n", file=sys.stderr)
        own_state().fail(f"{error}")
        sys.exit(1)
    except KeyboardInterrupt:
        own_state().fail(INTERRUPTED)
        raise
    except Exception as error:
        traceback.print_exc()
        own_state().fail(f"{type(error).__name__}: {error}")
        sys.exit(1)


def settings_of(snakemake):
    """The whole configuration, with the served adapter of the job's seed (or of the first, where it has none).

    A rule's params hold only what may change its result.
    """
    from dataclasses import replace

    from icl.workflow.config import load_settings

    settings = load_settings(snakemake.config)
    seed = getattr(snakemake.wildcards, "seed", settings.seeds[0])
    return replace(settings, mllm=settings.mllm.of_seed(seed))


def say(text: str) -> None:
    """Print on the user's terminal (stdout goes to the log)."""
    own_state().say(text)


def _ancestors() -> list[tuple[int, int]]:
    """(process, its parent) of this script and of the shell between it and Snakemake."""
    me, parent = os.getpid(), os.getppid()
    return [(me, parent), (parent, _parent_of(parent))]


def _parent_of(pid: int) -> int:
    try:
        return psutil.Process(pid).ppid()
    except psutil.Error:
        return 0


def _end_with(ancestors: list[tuple[int, int]]) -> None:
    """End this process when Snakemake was killed, so that a rerun never meets a writer of the same files."""
    while all(_parent_of(pid) == parent for pid, parent in ancestors):
        time.sleep(1)
    os._exit(1)
