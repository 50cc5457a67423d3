"""The commands that README and docs print, and how each is tried."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest
from running import HOUSE

PAGES = (
    HOUSE / "README.md",
    HOUSE / "CONTRIBUTING.md",
    HOUSE / "config" / "README.md",
    *sorted((HOUSE / ".github").glob("*.md")),
    *sorted((HOUSE / "docs").glob("**/*.md")),
)
TRIED = ("make", "snakemake", "pytest")
ELSEWHERE = {
    "git": "clones from the address of the repository",
    "cd": "changes the folder",
    "source": "changes the shell",
    "pip": "installs from the network",
    "pipx": "installs from the network",
    "pre-commit": "writes a hook into the clone",
    "apt-get": "installs from the network",
    "tar": "unpacks what another machine packed",
    "vllm": "a GPU server",
    "sbatch": "a cluster",
    "transformers": "a server",
    "llama-server": "a server",
    "ollama": "a server",
    "docker": "a container engine",
    "apptainer": "a container engine",
    "python": "another project's converter",
    "printf": "writes a file for Ollama",
}
"""Programs whose commands are not tried here, and why."""
_INLINE = re.compile(rf"`((?:{'|'.join(TRIED)}) [^`]+)`")


@dataclass(frozen=True)
class Command:
    """One command: where it is printed (file and line), and its words."""

    place: str
    text: str

    @property
    def words(self) -> list[str]:
        return shlex.split(self.text, comments=True)


def commands() -> list[Command]:
    """Every command of every page, each once, whatever comment or `-n` stands with it."""
    found: dict[tuple[str, ...], Command] = {}
    for page in PAGES:
        for line, text in _lines_of_code(page.read_text()):
            for part in re.split(r"\s&&\s", text):
                command = Command(f"{page.relative_to(HOUSE)}:{line}", part)
                found.setdefault(tuple(word for word in command.words if word != "-n"), command)
    return list(found.values())


def _lines_of_code(text: str) -> list[tuple[int, str]]:
    """(line number, command) of shell blocks, and of inline code that begins with a program that is tried."""
    out, fence, waiting = [], None, ""
    for number, line in enumerate(text.splitlines(), 1):
        if line.lstrip().startswith("```"):
            fence = line.strip("` ") if fence is None else None
            continue
        inside = fence in ("", "bash", "sh") if fence is not None else line.startswith("    ")
        if not inside:
            inline = _INLINE.findall(line) if fence is None else []
            out += [(number, code) for code in inline]
            continue
        waiting += line.strip().removesuffix("\\")
        if not line.rstrip().endswith("\\"):
            out.append((number, waiting))
            waiting = ""
    programs = {*TRIED, *ELSEWHERE}
    return [(n, code) for n, code in out if code and code.split()[0] in programs]


def unknown_programs(text: str) -> list[str]:
    """First words of ``` sh blocks that nobody has said how to try."""
    blocks = re.findall(r"^```(?:bash|sh)\n(.*?)^```", text, re.M | re.S)
    first = {line.split()[0] for block in blocks for line in block.splitlines() if line.strip() and line[0] not in " #"}
    return sorted(first - {*TRIED, *ELSEWHERE})


def known_files() -> list[str]:
    """Files of the working tree that git knows or would take; without git, the test that asks is skipped."""
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=HOUSE, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("not a git checkout")
    return listed.stdout.splitlines()


def fresh_copy(folder: Path, files: list[str]) -> Path:
    """A clone as a user has it: the files of the working tree that git knows, and no results."""
    for name in files:
        if (HOUSE / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(HOUSE / name, folder / name)
    return folder
