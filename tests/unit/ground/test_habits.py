"""Hosted checks, hooks and the Makefile name the same things."""

import re

import pytest
import yaml
from running import HOUSE

MAKEFILE = (HOUSE / "Makefile").read_text()
CHECKS = yaml.safe_load((HOUSE / ".github" / "workflows" / "ci.yaml").read_text())
LOCKED = {
    line.split("==")[0].lower() for line in (HOUSE / "requirements.lock").read_text().splitlines() if "==" in line
}


def test_every_target_has_a_help_line_and_is_phony():
    targets = set(re.findall(r"^([a-z][a-z-]*):", MAKEFILE, re.M))
    assert targets == set(re.findall(r"^([a-z][a-z-]*):.*## \S", MAKEFILE, re.M))
    phony = set(re.search(r"^\.PHONY: (.*)$", MAKEFILE, re.M)[1].split())
    assert targets == phony


def test_hosted_checks_call_targets_of_the_makefile():
    text = (HOUSE / ".github" / "workflows" / "ci.yaml").read_text()
    called = set(re.findall(r"run: make ([a-z]+)", text))
    called |= {one["target"] for one in CHECKS["jobs"]["fast"]["strategy"]["matrix"]["include"]}
    assert called == {"lint", "fast", "coverage", "slow", "docs", "wheel"}
    assert all(re.search(rf"^{name}:", MAKEFILE, re.M) for name in called)
    assert re.search(r"^lint:.*\btypes\b", MAKEFILE, re.M), "types are part of lint"


def test_hosted_checks_cover_the_supported_versions():
    versions = [one["python"] for one in CHECKS["jobs"]["fast"]["strategy"]["matrix"]["include"]]
    least = re.search(r'requires-python = ">=([\d.]+)"', (HOUSE / "pyproject.toml").read_text())[1]
    assert versions == ["3.11", "3.12", "3.13"] and versions[0] == least


@pytest.mark.parametrize(
    "hook", yaml.safe_load((HOUSE / ".pre-commit-config.yaml").read_text())["repos"][0]["hooks"], ids=lambda h: h["id"]
)
def test_hooks_are_the_checks_of_make_lint_and_locked(hook):
    program = re.match(r"\.venv/bin/(\w+)", hook["entry"])[1]
    assert hook["language"] == "system" and program in LOCKED
    assert f"$(BIN)/{program}" in MAKEFILE


def test_forms_are_readable():
    for path in (HOUSE / ".github").rglob("*.y*ml"):
        assert yaml.safe_load(path.read_text()), path.name
