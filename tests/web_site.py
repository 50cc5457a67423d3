"""A site with the shipped models on a small benchmark, as the tests of the application open it."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from running import HOUSE

from icl.apps.shipped import SHIPPED, shipped_judge
from icl.apps.web.site import Site
from icl.apps.web.starting import Places, open_site
from icl.data.annotations import read_annotations
from icl.data.settings import DatasetSettings
from icl.human.making import make_pack
from icl.human.settings import HumanSettings
from icl.rerank.settings import RerankSettings, THISettings
from icl.rerank.split import Split
from icl.retriever.encoding.embeddings import embed, open_store
from icl.retriever.weights.checkpoints import load_retriever
from icl.synthpedes.benchmark import write_benchmark

HOST = "http://127.0.0.1"
XI = 0.72


def make_places(folder: Path, identities: int = 8, **human) -> Places:
    """A benchmark, its pack by the shipped models, and where the site keeps what it writes."""
    spec = DatasetSettings(
        generator="synth", train_identities=2, val_identities=2, test_identities=identities, images_per_identity=3
    )
    write_benchmark(spec, folder / "set", folder / "truth.parquet")
    pairs = read_annotations("cuhk-pedes", folder / "set")
    rows = pairs[pairs.split == "test"].reset_index(drop=True)
    model, tokenizer = load_retriever(SHIPPED)
    root = folder / "set/imgs"
    embed(model, tokenizer, rows, open_store(rows, root, model)).save(folder / "embeddings/test.npz")
    judge = shipped_judge(way="evidence")
    split = Split.open(
        rows, root, folder / "embeddings", SHIPPED, judge.mllm, THISettings(), RerankSettings(), asks=False
    )
    settings = HumanSettings(**{"shared": 3, "own": 2, "pool": 12, **human})
    pack = folder / "pack"
    told = dict(models="the shipped ICL", truth=folder / "truth.parquet", text_length=tokenizer.length)
    make_pack(pack, "synth", split, rows, SHIPPED, judge.backend, XI, settings, **told)
    return Places(pack=pack, sessions=folder / "sessions", store=folder / "index")


def make_site(folder: Path, **human) -> Site:
    return open_site(make_places(folder, **human))


def field(page: str, name: str, form: str = "") -> str:
    """Value of a hidden field, in the first form of a page whose action contains `form`."""
    at = page.index(f'action="{form}') if form else 0
    found = re.search(rf'name="{name}" value="([^"]*)"', page[at:])
    assert found, name
    return found[1]


@contextmanager
def served(places: Places, *words: str) -> Iterator[str]:
    """The application as its users start it, in a process of its own; gives its address."""
    own = ["--pack", places.pack, "--sessions", places.sessions, "--store", places.store, "--port", "0"]
    call = [sys.executable, "-m", "icl.apps.web", *map(str, own), *words]
    with subprocess.Popen(call, cwd=HOUSE, stderr=subprocess.PIPE, text=True) as process:
        said = []
        try:
            for line in process.stderr:
                said.append(line)
                if found := re.search(r"open (http://127\.0\.0\.1:\d+) in a browser", line):
                    # Whatever it says from now on is read, so that it never waits for us.
                    threading.Thread(target=lambda: said.extend(process.stderr), daemon=True).start()
                    yield found[1]
                    break
            else:
                raise AssertionError("".join(said)[-3000:])
        finally:
            process.send_signal(signal.SIGINT)
            try:
                status = process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                raise
        assert status == 0 and "Traceback" not in "".join(said), "".join(said)[-3000:]
