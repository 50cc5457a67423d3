"""Imports run one way: each room may lean on those before it, and on nothing after."""

import ast

import pytest
from running import HOUSE

GROUND = ("errors", "progress", "files", "registry", "fields", "markup", "device", "home", "memory")
ROOMS = (
    "ranking",
    "data",
    "synthpedes",
    "mllm",
    "rda",
    "retriever",
    "rerank",
    "human",
    "apps",
    "pretrain",
    "workflow",
    "report",
    "publish",
)
MODULES = sorted((HOUSE / "icl").rglob("*.py"))


def imported(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield node.module.split(".") if node.module != "icl" else ["icl", node.names[0].name]
        elif isinstance(node, ast.Import):
            yield from (alias.name.split(".") for alias in node.names)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(HOUSE)))
def test_a_module_leans_on_earlier_rooms_only(path):
    order = {name: n for n, name in enumerate((*GROUND, *ROOMS))}
    own = path.relative_to(HOUSE / "icl").parts[0].removesuffix(".py")
    for parts in imported(path):
        assert parts[0] != "snakemake", "icl/ works without Snakemake"
        if parts[0] == "icl" and own != "__init__":
            limit = len(GROUND) - 1 if own in GROUND else order[own]
            assert order[parts[1]] <= limit, f"{own} imports {'.'.join(parts)}"


def test_every_module_of_the_house_has_a_room():
    found = {path.relative_to(HOUSE / "icl").parts[0].removesuffix(".py") for path in MODULES} - {"__init__"}
    assert found == {*GROUND, *ROOMS}


def test_no_two_test_files_share_a_name():
    """pytest imports them by name."""
    names = [path.name for path in (HOUSE / "tests").rglob("test_*.py")]
    assert sorted(names) == sorted(set(names))
