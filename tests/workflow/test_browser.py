"""The report in a real headless browser: it opens, without errors, and every picture shows. `pytest -m browser`"""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from running import SMOKE, command, snakemake

pytestmark = [pytest.mark.slow, pytest.mark.browser]
BROWSER = next(
    (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None
)
FIGURES = ("density", "sweeps", "rounds", "examples", "ccd", "noise", "calibration")
PROBE = """
<script>
addEventListener("load", async () => {
  const pattern = /data:image\\/png;[^"]*base64,[A-Za-z0-9+\\/=]+/g;
  const sources = [...new Set(document.documentElement.innerHTML.match(pattern) || [])];
  const shown = await Promise.all(sources.map(source => new Promise(done => {
    const image = new Image();
    image.onload = () => done(image.naturalWidth > 0);
    image.onerror = () => done(false);
    image.src = source;
  })));
  const note = document.createElement("p");
  note.id = "probe";
  note.textContent = `shown ${shown.filter(Boolean).length} of ${shown.length}`;
  document.body.append(note);
});
</script>
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    if BROWSER is None:
        pytest.skip("no chromium here: apt-get install chromium")
    folder = tmp_path_factory.mktemp("report")
    done = snakemake(folder, "tables", "figures", *SMOKE)
    assert done.returncode == 0, done.stderr[-3000:]
    call = command(folder, "tables", "figures", *SMOKE, "--report", "results/smoke/report.html")
    done = subprocess.run(call, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr[-3000:]
    return folder


def opened(page: Path, folder: Path) -> tuple[str, list[str]]:
    """The page's DOM after its scripts ran, and the errors of its console."""
    quiet = ["--headless=new", "--no-sandbox", "--disable-gpu", f"--user-data-dir={folder}", "--enable-logging=stderr"]
    call = [BROWSER, *quiet, "--virtual-time-budget=20000", "--dump-dom", page.as_uri()]
    done = subprocess.run(call, capture_output=True, text=True, timeout=180)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout, [line for line in done.stderr.splitlines() if "CONSOLE" in line and "rror" in line]


def with_probe(page: Path, out: Path) -> Path:
    before, end, after = page.read_text().rpartition("</body>")  # earlier ones stand in the page's own scripts
    out.write_text(before + PROBE + end + after)
    return out


def test_the_report_opens_without_errors_and_names_every_figure(made, tmp_path):
    page = made / "results/smoke/report.html"
    dom, errors = opened(with_probe(page, tmp_path / "report.html"), tmp_path / "profile")
    assert not errors, errors
    assert "Figures" in dom and "Tables" in dom
    text = page.read_text()
    for name in FIGURES:
        assert f"{name}.png" in text, name
    shown = re.search(r"shown (\d+) of (\d+)", dom)
    assert shown and shown[1] == shown[2] and int(shown[1]) >= len(FIGURES), shown and shown[0]


def test_the_page_of_a_search_shows_its_pictures(made, tmp_path):
    gallery = "results/smoke/benchmarks/tinypedes/imgs/test"
    asked = f"search={{query: a woman in a red coat, gallery: {gallery}}}"
    done = snakemake(made, "search", *SMOKE, "--config", asked)
    assert done.returncode == 0, done.stderr[-3000:]
    page = with_probe(made / "results/smoke/search/index.html", tmp_path / "search.html")
    dom, errors = opened(page, tmp_path / "profile")
    assert not errors, errors
    assert "Dialogue" in dom and "Ranking" in dom
    shown = re.search(r"shown (\d+) of (\d+)", dom)
    assert shown and shown[1] == shown[2] and int(shown[1]) >= 20
