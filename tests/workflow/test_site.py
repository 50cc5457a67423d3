"""The documentation's site: built strictly from a clone, offline, with no link that leads nowhere."""

import re
import subprocess
import sys
from html import unescape
from urllib.parse import unquote

import pytest
from documents import fresh_copy, known_files
from running import HOUSE

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """As `make docs` builds it; a warning fails."""
    clone = fresh_copy(tmp_path_factory.mktemp("clone"), known_files())
    recipe = re.search(r"^docs:.*\n\t(.+)$", (clone / "Makefile").read_text(), re.M)[1]
    words = recipe.replace("$(BIN)/sphinx-build", f"{sys.executable} -m sphinx").split()
    done = subprocess.run(words, cwd=clone, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    return clone / "build" / "site"


def test_every_link_and_picture_is_there(site):
    anchors = {page: set(re.findall(r'\bid="([^"]+)"', page.read_text())) for page in site.rglob("*.html")}
    wrong = []
    for page in anchors:
        for target in re.findall(r'(?:href|src)="([^"]+)"', page.read_text()):
            path, _, anchor = unquote(unescape(target)).partition("#")
            if "://" in path or path.startswith(("data:", "mailto:")):
                continue
            found = (page.parent / path.split("?")[0]).resolve() if path else page
            if not found.exists() or (anchor and found in anchors and anchor not in anchors[found]):
                wrong.append(f"{page.relative_to(site)}: {target}")
    assert len(anchors) > 25 and wrong == []


def test_nothing_is_loaded_from_the_network(site):
    for page in site.rglob("*.html"):
        loaded = re.findall(r'<(?:script|link|img|iframe)[^>]+(?:src|href)="(https?:[^"]+)"', page.read_text())
        assert loaded == [], page.name
    for style in site.rglob("*.css"):
        assert not re.search(r"url\(['\"]?https?:|@import\s+['\"]?https?:", style.read_text()), style.name


def test_every_module_has_its_place_and_its_words(site):
    text = "".join(page.read_text() for page in (site / "api").glob("*.html"))
    for module in (HOUSE / "icl").rglob("*.py"):
        if module.stat().st_size and not module.stem.startswith("_"):
            name = ".".join(module.relative_to(HOUSE).with_suffix("").parts)
            assert f'id="module-{name}"' in text, name
    assert "(B, m) of the tokens wanted" in text, "docstrings of arguments"
