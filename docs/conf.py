"""The documentation's site: `make docs` builds it from the pages of this folder, offline; code hosting shows the pages too."""

from __future__ import annotations

import sys
from pathlib import Path

from sphinx.application import Sphinx

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE)]

from docstrings import one_a_line, with_colons  # noqa: E402

project = "ICL"
copyright = "ICL's reference implementation, Apache-2.0"
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["README.md"]
html_theme = "furo"
html_title = "ICL"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_sphinx = False
html_copy_source = False
templates_path: list[str] = []

myst_enable_extensions = ["deflist"]
myst_heading_anchors = 3
suppress_warnings = ["myst.header", "misc.highlighting_failure", "ref.python"]

default_role = "code"
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_default_options = {"members": True, "show-inheritance": False}
napoleon_use_ivar = True

ELSEWHERE = {
    "../README.md": "index.md",
    "../CONTRIBUTING.md": "contributing.md",
    "../CHANGELOG.md": "changelog.md",
    "../config/README.md": "configuration.md",
}
"""Pages of the repository that lie outside this folder, and the pages of the site that show them."""
ROOMS = {
    "ranking": "Similarities in blocks, metrics, intervals and tests",
    "data": "Layouts, annotations, pairs, images, tokenizer",
    "synthpedes": "The embedded benchmark's generator",
    "mllm": "Prompts, answers, store, back-ends, fine-tuning",
    "rda": "Augmentation of the training texts",
    "retriever": "Model, losses, CCD, training, weights, encoding",
    "rerank": "Ways to re-rank",
    "apps": "Search",
    "human": "People in the loop: packs, sessions, measures",
    "pretrain": "The small models",
    "workflow": "Configuration, stages, paths, rows",
    "report": "Tables, figures, pages",
    "publish": "The data set to cite, results as one file, the leaderboard",
}
GROUND = ("device", "errors", "registry", "fields", "files", "home", "markup", "memory", "progress")


def write_api_pages(_: Sphinx) -> None:
    """One page a room (docs/api, not in git): what its modules' docstrings say."""
    icl, out = HERE.parent / "icl", HERE / "api"
    out.mkdir(exist_ok=True)
    pages = {"ground": ("The ground", [icl / f"{n}.py" if (icl / f"{n}.py").exists() else icl / n for n in GROUND])}
    known = {path.parent.name for path in icl.glob("*/__init__.py")} - set(GROUND)
    pages |= {room: (ROOMS.get(room, ""), [icl / room]) for room in (*ROOMS, *sorted(known - set(ROOMS)))}
    for name, (title, places) in pages.items():
        heading = f"# `icl.{name}`\n\n{title}." if name != "ground" else "# The ground\n\nWhat every room may lean on."
        modules = [module for place in places for module in _modules(place)]
        body = "\n\n".join(f"## `{m}`\n\n```{{eval-rst}}\n.. automodule:: {m}\n```" for m in modules)
        _write(out / f"{name}.md", f"{heading}\n\n{body}\n")
    listing = "\n".join(pages)
    text = "# API\n\nOne page a room of `icl/`, from its docstrings. Imports run one way, from later rooms to earlier ones.\n"
    _write(out / "index.md", f"{text}\n```{{toctree}}\n:maxdepth: 1\n\n{listing}\n```\n")


def _modules(place: Path) -> list[str]:
    files = [place] if place.is_file() else sorted(place.rglob("*.py"))
    parts = [file.relative_to(HERE.parent).with_suffix("").parts for file in files if file.stat().st_size]
    names = (".".join(p[:-1] if p[-1] == "__init__" else p) for p in parts)
    return [name for name in names if not name.rsplit(".", 1)[-1].startswith("_")]


def _write(path: Path, text: str) -> None:
    """Only what changed, so that the rest is not built again."""
    if not path.exists() or path.read_text() != text:
        path.write_text(text)


def redirect(_: Sphinx, name: str, source: list[str]) -> None:
    """Links to pages outside this folder lead to the site's own pages of them."""
    up = "../" * name.count("/")
    for page, shown in ELSEWHERE.items():
        source[0] = source[0].replace(f"]({page}", f"]({up}{shown}")


def read_docstring(_app: Sphinx, what: str, _name: str, obj: object, _options: object, lines: list[str]) -> None:
    one_a_line(what, obj, lines)


def end_docstring(_app: Sphinx, _what: str, _name: str, _obj: object, _options: object, lines: list[str]) -> None:
    with_colons(lines)


def setup(app: Sphinx) -> None:
    app.connect("autodoc-process-docstring", read_docstring, priority=400)  # before napoleon
    app.connect("autodoc-process-docstring", end_docstring, priority=600)
    app.connect("builder-inited", write_api_pages)
    app.connect("source-read", redirect)
