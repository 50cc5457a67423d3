"""Every command that README and docs print does something, from a fresh clone."""

import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from documents import ELSEWHERE, PAGES, TRIED, Command, commands, fresh_copy, known_files, unknown_programs
from helpers import save_official_layout
from PIL import Image
from running import HOUSE, dry_run

COMMANDS = commands()
DOCS = HOUSE / "docs"
SOMETHING = {
    "make": r"\A(?!.*Nothing to be done).*\S",
    "snakemake": r"Job stats:",
    "pytest": r"[1-9]\d* tests? collected|[1-9]\d*/\d+ tests",
}
"""What a command that does something prints in its dry run."""
BENCHMARKS = {"CUHK-PEDES": "cuhk-pedes", "ICFG-PEDES": "icfg-pedes", "RSTPReid": "rstpreid", "UFine6926": "ufine6926"}


def test_the_pages_print_commands_and_each_has_somebody_to_try_it():
    assert len(PAGES) > 5 and sum(c.words[0] == "snakemake" for c in COMMANDS) > 15
    assert {c.words[0] for c in COMMANDS} <= {*TRIED, *ELSEWHERE}
    assert [name for page in PAGES for name in unknown_programs(page.read_text())] == []


def test_every_linked_page_is_there():
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", page.read_text()):
            assert target.startswith("http") or (page.parent / target).exists(), f"{page.name}: {target}"


def test_every_page_is_in_the_sites_contents():
    """Sphinx warns of others, and `make docs` then fails."""
    listed = {
        name
        for block in re.findall(r"```{toctree}\n(.*?)```", (DOCS / "index.md").read_text(), re.S)
        for name in block.split()
    }
    assert {page.stem for page in DOCS.glob("*.md")} - {"index"} <= listed


@pytest.fixture(scope="module")
def clone(tmp_path_factory):
    """The working tree as a clone, with what a reader would have put where the pages say `path/to/folder` and `data/`."""
    folder = fresh_copy(tmp_path_factory.mktemp("clone"), known_files())
    (folder / ".venv").symlink_to(Path(sys.prefix))
    mine = folder / "path" / "to" / "folder"
    mine.mkdir(parents=True)
    Image.new("RGB", (48, 96), "red").save(mine / "one.png")
    for split in ("val", "test"):
        np.save(mine / f"{split}.npy", np.zeros((2, 2), dtype=np.float32))
    for name, layout in BENCHMARKS.items():
        save_official_layout(layout, folder / "data" / name)
    return folder


def problem(command, clone: Path) -> str:
    """What is wrong with a command, or nothing."""
    words = [_filled(word, clone) for word in command.words]
    if words[0] == "snakemake":
        call = ["-n", *(word for word in words[1:] if word != "-n")]
        cores = [] if {"--cores", "--profile", "--executor"} & set(words) else ["--cores", "2"]
        done = dry_run([*call, *cores], clone)
    else:
        plan = ["make", "-n", "-W", "requirements.lock"]  # a clone has no environment yet
        call = plan if words[0] == "make" else [sys.executable, "-m", "pytest", "--collect-only"]
        done = subprocess.run([*call, *words[1:]], cwd=clone, capture_output=True, text=True, timeout=300)
    said = done.stdout + done.stderr
    if done.returncode:
        return f"{command.place}: {command.text}\n    ends with status {done.returncode}: {said[-600:]}"
    if not re.search(SOMETHING[words[0]], said, re.S):
        return f"{command.place}: {command.text}\n    does nothing: {said[-600:]}"
    return ""


def _filled(word: str, clone: Path) -> str:
    """A word in which $(python ...) is what that prints."""
    inner = re.search(r"\$\(python (.*?)\)", word)
    if not inner:
        return word
    call = [sys.executable, *inner[1].split()]
    return word.replace(inner[0], subprocess.run(call, cwd=clone, capture_output=True, text=True).stdout.strip())


@pytest.mark.slow
def test_every_printed_command_does_something(clone):
    tried = [c for c in COMMANDS if c.words[0] in TRIED and "--executor" not in c.words]  # Kubernetes is not here
    with ThreadPoolExecutor(2) as pool:
        problems = [found for found in pool.map(lambda c: problem(c, clone), tried) if found]
    assert not problems, "\n".join(problems)


@pytest.mark.slow
def test_a_command_that_does_nothing_is_found(clone):
    assert "ends with" in problem(Command("x", "snakemake --cores all no_such_target"), clone)
    assert "ends with" in problem(Command("x", "make no-such-target"), clone)
    (clone / "done.smk").write_text('rule done:\n    output: "done.txt"\n    shell: "touch {output}"\n')
    (clone / "done.txt").write_text("")
    assert "does nothing" in problem(Command("x", "snakemake --cores all -s done.smk"), clone)
