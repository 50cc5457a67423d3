"""The report and the search page in a real headless browser: what is read at first sight. `pytest -m browser`"""

import html
import json
import re
import shutil
import subprocess
from pathlib import Path

import pandas as pd
import pytest
from running import SMOKE, command, snakemake

pytestmark = [pytest.mark.slow, pytest.mark.browser]
BROWSER = next(
    (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None
)
FIGURES = ("main", "method", "density", "sweeps", "rounds", "examples", "ccd", "noise", "calibration")
TABLES = (
    "main",
    "ablation",
    "retrievers",
    "time",
    "differences",
    "interaction",
    "cross_domain",
    "fine_coarse",
    "judge",
    "noise",
)
PROBE = """
<script>
addEventListener("load", () => {
  const seen = element => {
    const box = element.getBoundingClientRect();
    return element.checkVisibility() && box.width > 0 && box.height > 0 && box.left >= 0 && box.top >= 0 &&
      box.right <= document.documentElement.clientWidth + 1;
  };
  const images = [...document.images], table = document.querySelector("table"), first = images[0];
  const found = {
    images: images.length,
    shown: images.filter(image => image.complete && image.naturalWidth > 0 && image.clientWidth > 0).length,
    stretched: images.filter(image => image.clientHeight > 0 && Math.abs(
      image.clientWidth / image.clientHeight / (image.naturalWidth / image.naturalHeight) - 1) > 0.1).length,
    inside: images.filter(image => image.getBoundingClientRect().right <= document.documentElement.clientWidth + 1).length,
    scrolled: document.documentElement.scrollWidth > document.documentElement.clientWidth + 1,
    cells: table ? [...table.rows].map(row => [...row.cells].filter(seen).map(cell => cell.innerText.trim())) : [],
    tableBottom: table ? table.getBoundingClientRect().bottom : 0,
    imageTop: first ? first.getBoundingClientRect().top : 0,
    dangling: [...document.querySelectorAll("nav a")].filter(
      link => !document.querySelector(link.getAttribute("href"))).length,
  };
  const note = document.createElement("pre");
  note.id = "probe";
  note.textContent = JSON.stringify(found);
  document.body.append(note);
});
</script>
"""
WINDOWS = [(1280, 900), (500, 900), (360, 780)]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    if BROWSER is None:
        pytest.skip("no chromium here: apt-get install chromium")
    folder = tmp_path_factory.mktemp("report")
    done = snakemake(folder, "report_page", "tables", "figures", *SMOKE)
    assert done.returncode == 0, done.stderr[-3000:]
    return folder


def opened(page: Path, folder: Path, size: tuple[int, int] = (1280, 900)) -> tuple[str, list[str]]:
    """The page's DOM after its scripts ran, and the errors of its console.

    It is shown in a frame of that size: a window of the browser is never narrower than 500 pixels.
    """
    framed = folder / f"{size[0]}.html"
    folder.mkdir(parents=True, exist_ok=True)
    framed.write_text(
        f'<!doctype html><iframe src="{page.as_uri()}" width="{size[0]}" height="{size[1]}" style="border:0"></iframe>'
        "<script>addEventListener('load', () => {"
        "  const text = document.querySelector('iframe').contentDocument.documentElement.outerHTML;"
        "  const out = document.createElement('textarea'); out.textContent = text; document.body.append(out); });</script>"
    )
    quiet = ["--headless=new", "--no-sandbox", "--disable-gpu", f"--user-data-dir={folder}", "--enable-logging=stderr"]
    frames = ["--allow-file-access-from-files", "--window-size=1400,1000"]
    call = [BROWSER, *quiet, *frames, "--virtual-time-budget=20000", "--dump-dom", framed.as_uri()]
    done = subprocess.run(call, capture_output=True, text=True, timeout=180)
    assert done.returncode == 0, done.stderr[-2000:]
    return html.unescape(done.stdout), [
        line for line in done.stderr.splitlines() if "CONSOLE" in line and "rror" in line
    ]


def probed(page: Path, folder: Path, size: tuple[int, int]) -> tuple[dict, str]:
    """What the probe measured in a frame of that size, and the DOM; the console must hold no error."""
    before, end, after = page.read_text().rpartition("</body>")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "page.html").write_text(before + PROBE + end + after)
    dom, errors = opened(folder / "page.html", folder / "profile", size)
    assert not errors, errors
    found = re.search(r'<pre id="probe">(.*?)</pre>', dom, re.S)
    assert found, dom[-500:]
    return json.loads(found[1]), dom


@pytest.mark.parametrize("size", WINDOWS)
def test_the_main_table_is_read_at_first_sight_and_every_picture_shows(made, tmp_path, size):
    found, dom = probed(made / "results/smoke/report.html", tmp_path, size)
    table = pd.read_csv(made / "results/smoke/table.csv")
    rows = {row[0]: row[1:] for row in found["cells"]}
    head = rows["Method"]
    for line in table.to_dict("records"):
        shown = dict(zip(head, rows[line["method"]], strict=False))
        assert float(shown["Rank-1"]) == pytest.approx(line["rank1"], abs=0.01)
        assert float(shown["mAP"]) == pytest.approx(line["map"], abs=0.01)
    assert found["tableBottom"] < size[1] and found["imageTop"] < size[1], "one has to scroll to the table"
    assert found["images"] == len(FIGURES) == found["shown"] == found["inside"]
    assert not found["scrolled"] and not found["dangling"] and not found["stretched"]
    for name in TABLES:
        assert f'id="table-{name}"' in dom, name


def test_the_report_needs_nothing_but_itself(made):
    text = (made / "results/smoke/report.html").read_text()
    assert not re.findall(r"""(?:src|href)=["'](?!data:|#)""", text)
    assert str(made) not in text and "<script" not in text


def test_snakemakes_own_report_shows_the_main_table_and_labels_on_its_first_page(made, tmp_path):
    call = command(made, "tables", "figures", *SMOKE, "--report", "results/smoke/snakemake.html")
    done = subprocess.run(call, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr[-3000:]
    dom, errors = opened(made / "results/smoke/snakemake.html", tmp_path / "profile")
    assert not errors, errors
    body = dom[dom.index('id="app"') :]
    assert "ICL+THI (no LoRA)" in body and "icl-table" in body and "Figures" in body and "Tables" in body
    text = (made / "results/smoke/snakemake.html").read_text()
    results = json.loads(re.search(r"var results = (\{.*?\});\n", text, re.S)[1])
    assert {Path(name).suffix for name in results} == {".html", ".png"}
    labels = [*results.values()]
    assert all(result["labels"] and "/" not in str([*result["labels"].values()]) for result in labels)
    assert any(result["labels"].get("table") == "Table 6: RDA, THI and LoRA" for result in labels)


@pytest.mark.parametrize("size", WINDOWS)
def test_the_page_of_a_search_shows_its_pictures(made, tmp_path, size):
    gallery = "results/smoke/benchmarks/tinypedes/imgs/test"
    asked = f"search={{query: a woman in a red coat, gallery: {gallery}}}"
    done = snakemake(made, "search", *SMOKE, "--config", asked)
    assert done.returncode == 0, done.stderr[-3000:]
    found, dom = probed(made / "results/smoke/search/index.html", tmp_path, size)
    assert "Dialogue" in dom and "Ranking" in dom and "this configuration's own ICL (tinypedes, seed 1)" in dom
    assert found["images"] == found["shown"] == found["inside"] >= 20
    assert not found["scrolled"] and not found["stretched"]
