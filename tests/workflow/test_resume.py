"""What the workflow's glue does after a kill."""

import os
import sys
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
