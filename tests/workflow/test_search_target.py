"""The target `search`: at once with the shipped models, with one's own where the configuration differs, and never in vain."""

import shutil
from pathlib import Path

import pytest
from PIL import Image
from running import HOUSE, SMOKE, jobs, snakemake

from icl.synthpedes.attributes import sample_shot
from icl.synthpedes.benchmark import sample_identities
from icl.synthpedes.domains import DOMAINS
from icl.synthpedes.render import render

pytestmark = pytest.mark.slow


def asked(gallery: str, query: str = "a woman in a red coat", **more: str) -> tuple[str, str]:
    words = "".join(f", {key}: {value}" for key, value in more.items())
    return "--config", f"search={{query: {query}, gallery: {gallery}{words}}}"


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Six pictures in `own`."""
    import random

    folder, rng = tmp_path_factory.mktemp("search"), random.Random(5)
    (folder / "own").mkdir()
    for number, person in enumerate(sample_identities(rng, 6, set(), DOMAINS["city"])):
        Image.fromarray(render(person, sample_shot(rng, DOMAINS["city"].camera))).save(folder / f"own/{number}.png")
    return folder


def test_one_job_answers_and_says_who(folder):
    done = snakemake(folder, "search", *asked("own"))
    assert done.returncode == 0, done.stderr[-3000:]
    assert not (folder / "results/retriever").exists(), "nothing was trained"
    who = "the shipped ICL (models/synthpedes-icl, seed 1)"
    page = (folder / "results/search/index.html").read_text()
    assert f"answered by {who}" in done.stderr + done.stdout and f"Answered by {who}" in page
    assert "Dialogue" in page and "log-odds" in page and page.count("similarity ") == 6


def test_a_folder_is_indexed_once_and_then_what_is_new(folder, tmp_path):
    (tmp_path / "own/street").mkdir(parents=True)
    for path in (folder / "own").iterdir():
        shutil.copy(path, tmp_path / "own")
    calling = ("index", "--config", "search={gallery: own}")
    first = snakemake(tmp_path, *calling)
    log = tmp_path / "results/logs/index.log"
    assert first.returncode == 0 and "6 images, 6 encoded" in log.read_text(), first.stderr[-3000:]
    assert "Nothing to be done" in snakemake(tmp_path, *calling).stderr
    Image.open(folder / "own/0.png").rotate(3, fillcolor="grey").save(tmp_path / "own/street/new.png")
    (tmp_path / "own/1.png").write_bytes(b"no picture")
    done = snakemake(tmp_path, "search", *asked("own", way="none"))
    assert done.returncode == 0 and "6 images, 1 encoded, 1 gone" in log.read_text(), done.stderr[-3000:]
    assert "1 of 7 images cannot be read and are left out: 1.png" in done.stderr + done.stdout
    page = (tmp_path / "results/search/index.html").read_text()
    assert "street/new.png" in page and "1.png" not in page
    for path in (tmp_path / "own").glob("**/*.png"):
        path.write_bytes(b"no picture")
    done = snakemake(tmp_path, *calling)
    assert done.returncode and "None of 7 files is one" in done.stderr + done.stdout


def test_without_a_folder_the_embedded_gallery_is_indexed(folder):
    done = snakemake(folder, "-n", "index", "--configfile", str(HOUSE / "config/config.yaml"))
    assert done.returncode == 0 and set(jobs(done)) == {"benchmark", "index"}, done.stderr[-3000:]
    done = snakemake(folder, "-n", "index", "--config", "search={gallery: no/where}")
    assert done.returncode and "no/where" in done.stderr + done.stdout


def test_captions_of_the_gallery_are_written_once(folder):
    """A second search describes a new picture alone."""
    asking = [*asked("own", way="captionsevidence")]
    answers = folder / "results/answers/search/gallery.jsonl"
    assert snakemake(folder, "search", *asking).returncode == 0
    before = answers.read_text().count('"task": "vqa", "image"')
    shutil.copytree(folder / "own", folder / "more")
    Image.open(folder / "own/0.png").rotate(3, fillcolor="grey").save(folder / "more/new.png")
    assert snakemake(folder, "search", *asked("more", "a man in blue", way="captionsevidence")).returncode == 0
    assert (before, answers.read_text().count('"task": "vqa", "image"')) == (6, 7)


@pytest.mark.parametrize(("more", "own"), [((), True), (("models", "run"), True), (("models", "shipped"), False)])
def test_another_configuration_trains_its_own_unless_the_shipped_is_asked_for(folder, more, own):
    done = snakemake(folder, "-n", "search", *SMOKE, *asked("own", **dict([more] if more else [])))
    assert done.returncode == 0, done.stderr[-3000:]
    assert ("train_retriever" in jobs(done)) == own and jobs(done)["search"] == 1


@pytest.mark.parametrize(
    ("question", "told"),
    [
        (("--config", "bootstrap=1000"), "config key search.query"),
        (asked("''"), "config key search.gallery"),
        (asked("no/where"), "no/where"),
    ],
)
def test_what_is_missing_is_refused_before_any_job(folder, question, told):
    done = snakemake(folder, "search", *question)
    text = done.stdout + done.stderr
    assert done.returncode and told in text and "Job stats" not in text, text[-2000:]


def test_what_is_shipped_can_be_made_again(folder):
    done = snakemake(folder, "-n", "release", "--configfile", str(HOUSE / "config/config.yaml"))
    assert done.returncode == 0, done.stderr[-3000:]
    assert {"train_retriever", "finetune_lora", "choose_parameters", "evaluate_judge", "release"} <= set(jobs(done))
