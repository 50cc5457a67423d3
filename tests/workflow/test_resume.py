"""What the workflow's glue does after a kill."""

import os
import socket
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from running import HOUSE

sys.path.insert(0, str(HOUSE / "workflow_scripts"))

import _resume  # noqa: E402


def job(tmp_path, lr=1.0, changed=1):
    given = tmp_path / "pairs"
    given.touch()
    os.utime(given, (changed, changed))
    return SimpleNamespace(input=[str(given)], params={"settings": {"lr": lr}})


@pytest.mark.parametrize("change, kept", [({}, True), ({"lr": 2.0}, False), ({"changed": 2}, False)])
def test_a_training_state_is_kept_for_the_same_job_only(tmp_path, change, kept):
    _resume.drop_foreign_state(job(tmp_path), tmp_path / "out")
    (tmp_path / "out" / "state.pt").touch()
    _resume.drop_foreign_state(job(tmp_path, **change), tmp_path / "out")
    assert (tmp_path / "out" / "state.pt").exists() == kept


@pytest.mark.parametrize("holder, lifted", [("{host} 999999999", True), ("elsewhere 1", False)])
def test_only_a_dead_run_of_this_machine_loses_its_lock(tmp_path, monkeypatch, holder, lifted):
    monkeypatch.chdir(tmp_path)
    Path(".snakemake/locks").mkdir(parents=True)
    _resume.RUNNING.write_text(holder.format(host=socket.gethostname()))
    _resume.lift_stale_lock(SimpleNamespace(is_main_process=True))
    assert Path(".snakemake/locks").exists() != lifted
