"""The index of a gallery: encodes what is new alone, survives kills, neighbours and damage, and finds what is exact."""

import io
import os
import random
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image
from running import HOUSE

from icl.apps.index import Index, looking, updating
from icl.apps.index.files import image_files, is_settled, stamp
from icl.apps.search import search
from icl.apps.shipped import SHIPPED, Judge
from icl.data.images import ImageStore
from icl.errors import InputError
from icl.mllm.protocol import Answer
from icl.mllm.settings import MLLMSettings
from icl.mllm.store import AnswerStore, CachedBackend
from icl.ranking.scores import EmbeddingScores
from icl.rerank.settings import RerankSettings, THISettings
from icl.retriever.encoding.embeddings import encode_images, encode_texts, image_size
from icl.synthpedes.attributes import sample_shot
from icl.synthpedes.benchmark import sample_identities
from icl.synthpedes.domains import DOMAINS
from icl.synthpedes.render import render

QUERY = "a woman in a red coat with a black backpack"


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """Twelve pictures, four of them in a subfolder."""
    folder, rng = tmp_path_factory.mktemp("drawn"), random.Random(3)
    (folder / "street").mkdir()
    for number, person in enumerate(sample_identities(rng, 12, set(), DOMAINS["city"])):
        name = f"street/{number}.png" if number % 3 == 0 else f"{number}.jpg"
        Image.fromarray(render(person, sample_shot(rng, DOMAINS["city"].camera))).save(folder / name)
    return folder


@pytest.fixture
def folder(drawn, tmp_path):
    """A copy of them that looks a minute old."""
    shutil.copytree(drawn, tmp_path / "own")
    return tmp_path / "own"


@pytest.fixture
def store(tmp_path):
    return tmp_path / "store"


@pytest.fixture
def encoded(monkeypatch):
    """How many pictures each call encoded."""
    counts = []

    def counting(model, pixels, world=None):
        counts.append(len(pixels))
        return encode_images(model, pixels, world)

    monkeypatch.setattr(updating, "encode_images", counting)
    return counts


def another(path, number):
    Image.fromarray(np.random.default_rng(number).integers(0, 255, (96, 48, 3), dtype=np.uint8)).save(path)


def shelves(store):
    return list(store.glob("*/*/images-*"))


def test_the_index_finds_what_encoding_all_images_at_once_finds(folder, store):
    index = Index.update(folder, SHIPPED, store)
    assert index.names == image_files(folder) and len(index) == 12
    whole = [
        part.numpy() for part in encode_images(index.model, ImageStore(folder, index.names, *image_size(index.model)))
    ]
    for kept, fresh in zip(index.vectors, whole, strict=True):
        assert np.allclose(kept, fresh, atol=1e-6)
    expected = EmbeddingScores(index.encode([QUERY]), tuple(whole)).rows(slice(None))[0]
    assert np.allclose(index.similarities(QUERY), expected, atol=1e-6)
    first = index.first(QUERY, 3)
    assert [c for c, _ in first] == np.argsort(-expected)[:3].tolist() and len(index.first(QUERY, 99)) == 12
    opened = Index.open(folder, SHIPPED, store)
    assert np.array_equal(opened.similarities(QUERY), index.similarities(QUERY)) and opened.names == index.names


def test_similarities_are_the_same_whatever_the_block(folder, store, monkeypatch):
    index = Index.update(folder, SHIPPED, store)
    before = index.similarities(QUERY)
    monkeypatch.setattr("icl.apps.index.streamed.BLOCK", 5)
    assert np.allclose(index.similarities(QUERY), before, atol=1e-6)


def test_a_picture_of_ones_own_finds_itself(folder, store):
    index = Index.update(folder, SHIPPED, store)
    for column in (0, 7):
        found = index.similar_to_image(Image.open(index.paths[column]))
        assert found.argmax() == column and found[column] == pytest.approx(1, abs=1e-5)
    assert index.similar_to_image(Image.new("L", (500, 20))).shape == (12,)


def test_only_new_and_changed_files_are_encoded_and_what_has_gone_leaves(folder, store, encoded):
    first = Index.update(folder, SHIPPED, store)
    assert Index.update(folder, SHIPPED, store).names == first.names and encoded == [12]
    (folder / "1.jpg").unlink()
    (folder / "2.jpg").rename(folder / "street/renamed.jpg")
    shutil.copy(folder / "4.jpg", folder / "copy.jpg")
    another(folder / "new.png", 1)
    another(folder / "street/0.png", 2)
    second = Index.update(folder, SHIPPED, store)
    assert sum(encoded) == 14 and second.names == image_files(folder)
    for name, before in (("street/renamed.jpg", "2.jpg"), ("copy.jpg", "4.jpg"), ("10.jpg", "10.jpg")):
        one, other = second.names.index(name), first.names.index(before)
        assert np.array_equal(second.shelf.vectors[one], first.shelf.vectors[other])
        assert second.thumbnail(one) == first.thumbnail(other)
    for name in ("new.png", "street/0.png"):
        assert second.similar_to_image(Image.open(folder / name))[second.names.index(name)] > 0.9999
    gone = bytes(first.shelf.digests[first.names.index("1.jpg")])
    files = [path for path in store.rglob("*") if path.is_file()]
    assert len(shelves(store)) == 1 and not any(
        gone in p.read_bytes() or gone.hex() in p.read_text("latin-1") for p in files
    )


def test_a_file_that_keeps_its_size_and_time_is_seen_to_change(folder, store, encoded):
    path = folder / "flat.bmp"
    Image.new("RGB", (48, 96), "red").save(path)
    os.utime(path, (1e9, 1e9))
    Index.update(folder, SHIPPED, store)
    Image.new("RGB", (48, 96), "blue").save(path)
    os.utime(path, (1e9, 1e9))
    index = Index.update(folder, SHIPPED, store)
    assert encoded == [13, 1] and index.similar_to_image(Image.open(path)).argmax() == index.names.index("flat.bmp")


def test_a_file_that_has_just_changed_is_looked_at_again(folder):
    now = time.time_ns()
    assert not is_settled(stamp(folder / "1.jpg"), now) and is_settled((1, now - 10**10, now - 10**10), now)
    assert stamp(folder / "nowhere.jpg") is None and not is_settled(None, now)


def test_pictures_of_another_gallery_are_not_encoded_again(folder, store, encoded, tmp_path):
    Index.update(folder, SHIPPED, store)
    shutil.copytree(folder / "street", tmp_path / "other")
    assert len(Index.update(tmp_path / "other", SHIPPED, store)) == 4 and encoded == [12]
    assert len(Index.open(folder, SHIPPED, store)) == 12, "each gallery has an index of its own"


def test_an_absent_index_or_that_of_another_retriever_is_told(folder, store, tmp_path):
    with pytest.raises(InputError, match="no index of this gallery"):
        Index.open(folder, SHIPPED, store)
    Index.update(folder, SHIPPED, store)
    shutil.copytree(SHIPPED, tmp_path / "retriever")
    card = tmp_path / "retriever/model.json"
    card.write_text(card.read_text().replace('"select_ratio": 0.3', '"select_ratio": 0.5'))
    with pytest.raises(InputError, match="another retriever"):
        Index.open(folder, tmp_path / "retriever", store)
    with pytest.raises(InputError, match="no such folder"):
        Index.update(tmp_path / "nowhere", SHIPPED, store)


def test_one_broken_file_is_named_and_left_out(folder, store, encoded, capsys):
    (folder / "torn.jpg").write_bytes((folder / "1.jpg").read_bytes()[:300])
    (folder / "street/text.png").write_text("no picture")
    index = Index.update(folder, SHIPPED, store)
    assert len(index) == 12 and set(index.skipped) == {"torn.jpg", "street/text.png"}
    told = capsys.readouterr().err
    assert told.count("WARNING") == 1 and "2 of 14 images" in told and "torn.jpg (a corrupt image" in told
    (folder / "2.jpg").write_bytes(b"")
    another(folder / "torn.jpg", 5)
    mended = Index.update(folder, SHIPPED, store)
    assert set(mended.skipped) == {"2.jpg", "street/text.png"} and encoded == [12, 1]
    assert "torn.jpg" in mended.names and "2.jpg" not in mended.names
    assert Index.open(folder, SHIPPED, store).skipped == mended.skipped


def test_a_folder_without_one_readable_image_is_refused_by_name(tmp_path, store):
    (tmp_path / "own").mkdir()
    for name in ("a.png", "b.png"):
        (tmp_path / "own" / name).write_bytes(b"no picture")
    with pytest.raises(InputError, match=r"a\.png.*None of 2 files"):
        Index.update(tmp_path / "own", SHIPPED, store)


def test_an_open_index_outlives_the_next_one(folder, store):
    index = Index.update(folder, SHIPPED, store)
    before, thumbnail = index.similarities(QUERY), index.thumbnail(3)
    for path in (folder / "street").iterdir():
        path.unlink()
    assert len(Index.update(folder, SHIPPED, store)) == 8 and not index.shelf.folder.exists()
    assert np.array_equal(index.similarities(QUERY), before) and index.thumbnail(3) == thumbnail


def test_thumbnails_are_small_jpegs_in_their_own_aspect(folder, store):
    Image.new("RGBA", (900, 1800), (255, 0, 0, 255)).save(folder / "large.png")
    index = Index.update(folder, SHIPPED, store)
    large, small = (Image.open(io.BytesIO(index.thumbnail(index.names.index(n)))) for n in ("large.png", "1.jpg"))
    assert (large.format, large.size) == ("JPEG", (128, 256)) and small.size == Image.open(folder / "1.jpg").size
    assert np.abs(np.asarray(large, dtype=int) - [254, 0, 0]).max() < 10


def test_names_that_are_no_text_are_indexed(folder, store):
    shutil.copy(folder / "1.jpg", os.fsencode(folder) + b"/caf\xe9.jpg")
    index = Index.update(folder, SHIPPED, store)
    assert "caf\udce9.jpg" in index.names and Index.open(folder, SHIPPED, store).names == index.names


@pytest.mark.parametrize("damage", ["flipped", "cut", "no manifest", "no text", "another manifest", "no shelf"])
def test_a_damaged_index_is_told_and_mended(folder, store, damage, encoded, capsys):
    index = Index.update(folder, SHIPPED, store)
    vectors, manifest = index.shelf.folder / "vectors.f32", index.shelf.folder.parent / "manifest.json"
    if damage == "flipped":
        data = bytearray(vectors.read_bytes())
        data[1001] ^= 64
        vectors.write_bytes(data)
    elif damage == "cut":
        os.truncate(vectors, 1000)
    elif damage == "no shelf":
        shutil.rmtree(index.shelf.folder)
    elif damage == "no manifest":
        manifest.unlink()
    else:
        manifest.write_bytes(b"\xff{" if damage == "no text" else b'{"gallery": 1}')
    with pytest.raises(InputError, match="no index|damaged"):
        Index.open(folder, SHIPPED, store)
    capsys.readouterr()
    mended = Index.update(folder, SHIPPED, store)
    assert np.array_equal(mended.shelf.vectors, encode(mended)) and len(shelves(store)) == 1
    assert encoded == ([12] if "manifest" in damage or damage == "no text" else [12, 12])
    assert ("WARNING" in capsys.readouterr().err) == (damage != "no manifest")


def encode(index):
    """The vectors of an index, encoded anew in its portions."""
    store = ImageStore(index.folder, index.names, *image_size(index.model))
    return np.concatenate([part.numpy() for part in encode_images(index.model, store)], axis=1)


def test_a_store_that_cannot_be_written_is_told(folder, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="cannot be written"):
        Index.update(folder, SHIPPED, tmp_path / "file")


SLOW = """
import sys, time
from icl.apps.index import Index, looking, updating
from icl.apps.shipped import SHIPPED
looking.PORTION, true = 2, updating.encode_images
def slow(model, store, world=None):
    time.sleep(float(sys.argv[3]))
    return true(model, store, world)
updating.encode_images = slow
print(len(Index.update(sys.argv[1], SHIPPED, sys.argv[2])))
"""


def start(folder, store, seconds):
    """An update in a process of its own, two pictures at a time."""
    call = [sys.executable, "-c", SLOW, str(folder), str(store), str(seconds)]
    environment = {**os.environ, "PYTHONPATH": str(HOUSE)}
    return subprocess.Popen(call, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)


def test_a_killed_run_goes_on_where_it_was(folder, store, encoded):
    killed = start(folder, store, 0.5)
    while sum(path.parent.suffix != ".part" for path in store.glob("*/*/images-*/shelf.json")) < 3:
        assert killed.poll() is None, killed.communicate()
        time.sleep(0.02)
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    with pytest.raises(InputError, match="no index"):
        Index.open(folder, SHIPPED, store)
    index = Index.update(folder, SHIPPED, store)
    assert len(index) == 12 and 0 < sum(encoded) <= 6 and len(shelves(store)) == 1
    assert np.allclose(index.shelf.vectors, encode(index), atol=1e-6)


def test_two_processes_share_the_work_and_end_in_one_index(folder, store):
    both = [start(folder, store, 0.05) for _ in range(2)]
    told = [process.communicate() for process in both]
    assert [process.returncode for process in both] == [0, 0] and [out for out, _ in told] == ["12\n"] * 2, told
    assert sum("12 encoded" in err for _, err in told) == 1
    assert sum("waiting for its end" in err for _, err in told) <= 1
    index = Index.open(folder, SHIPPED, store)
    assert len(shelves(store)) == 1 and np.allclose(index.shelf.vectors, encode(index), atol=1e-6)


def test_two_processes_without_locks_do_not_harm_each_other(folder, store, monkeypatch):
    def none(*arguments):
        raise OSError("no locks here")

    monkeypatch.setattr("icl.apps.index.place.fcntl.flock", none)
    other = start(folder, store, 0.05)
    for _ in range(6):
        assert len(Index.update(folder, SHIPPED, store)) == 12
    assert other.wait() == 0, other.communicate()
    index = Index.open(folder, SHIPPED, store)
    assert np.allclose(index.shelf.vectors, encode(index), atol=1e-6)


class Told:
    """Describes an image by its name; `fails` names what it does not answer."""

    tolerant = True

    def __init__(self, model="m", fails=()):
        self.model, self.fails, self.asked = model, fails, []

    def identity(self, task):
        return {"model": self.model}

    def forget_images(self):
        self.forgot = True

    def answer(self, requests):
        return [self._one(request) for request in requests]

    def _one(self, request):
        if request.task != "vqa":
            return Answer(f"A person. {request.text[-200:]}")
        self.asked.append(request.image.name)
        if request.image.name in self.fails:
            return Answer("", error="timeout")
        return Answer(f"1. A hat. 2. {request.image.stem} shoes.")


def describing(backend):
    return Judge(backend, MLLMSettings(), "none", {})


def test_captions_are_asked_for_once(folder, store, tmp_path):
    mllm = Told()
    index = Index.update(folder, SHIPPED, store, describing(mllm))
    assert len(index.described) == 12 == len(mllm.asked) and all("hat" in text for text in index.described)
    shutil.copy(folder / "4.jpg", folder / "copy.jpg")
    another(folder / "new.png", 1)
    (folder / "1.jpg").unlink()
    assert Index.update(folder, SHIPPED, store).described is None, "one has no caption yet"
    again = Index.update(folder, SHIPPED, store, describing(mllm))
    assert mllm.asked[12:] == ["new.png"] and len(again.described) == 13
    assert again.described[again.names.index("copy.jpg")] == again.described[again.names.index("4.jpg")]
    assert Index.open(folder, SHIPPED, store).described == again.described
    kept = next(store.glob("*/*/captions.jsonl")).read_text()
    assert kept.count("\n") == 12 and "1 shoes" not in kept.replace("11 shoes", ""), "what has gone leaves"
    shutil.copytree(folder, tmp_path / "moved")
    assert Index.update(tmp_path / "moved", SHIPPED, store, describing(mllm)).described == again.described
    assert len(mllm.asked) == 13
    Index.update(folder, SHIPPED, store, describing(Told("another")))
    assert len(mllm.asked) == 13


def test_captions_are_encoded_once(folder, store, monkeypatch):
    encoded = []

    def counting(model, tokenizer, texts, world=None):
        encoded.extend(texts)
        return encode_texts(model, tokenizer, texts, world)

    monkeypatch.setattr("icl.apps.index.gallery.encode_texts", counting)
    index = Index.update(folder, SHIPPED, store, describing(Told()))
    assert sorted(encoded) == sorted(index.described)
    for kept, fresh in zip(index.told, encode_texts(index.model, index.tokenizer, index.described), strict=True):
        assert np.allclose(kept, fresh.numpy(), atol=1e-6)
    encoded.clear()
    opened = Index.open(folder, SHIPPED, store)
    chosen = {"caption_weight": 0.4, "beta": 0.1, "expected": [0.0]}
    way = Judge(Locates(), MLLMSettings(), "captionsevidence", chosen, THISettings(), RerankSettings())
    assert len(search(QUERY, opened, judge=way).matches) == 12 and encoded == [QUERY]
    another(folder / "new.png", 1)
    (folder / "1.jpg").unlink()
    assert Index.update(folder, SHIPPED, store).told is None
    index = Index.update(folder, SHIPPED, store, describing(Told()))
    assert [text for text in encoded if text != QUERY] == [index.described[index.names.index("new.png")]]
    assert len(index.told[0]) == 12 and len(list(store.glob("*/*/texts-*"))) == 1
    for kept, fresh in zip(index.told, encode_texts(index.model, index.tokenizer, index.described), strict=True):
        assert np.allclose(kept, fresh.numpy(), atol=1e-6)


class Locates(Told):
    """Says Yes to all."""

    def _one(self, request):
        return Answer("Yes", {"Yes": 0.9, "No": 0.1})


def test_a_picture_that_changed_is_described_anew_by_the_same_process(folder, store, tmp_path):
    mllm = Told()
    stored = CachedBackend(mllm, AnswerStore(tmp_path / "answers", "gallery"))
    Index.update(folder, SHIPPED, store, describing(stored))
    another(folder / "4.jpg", 7)
    Index.update(folder, SHIPPED, store, describing(stored))
    assert mllm.asked[12:] == ["4.jpg"] and mllm.forgot


def test_an_answer_that_failed_is_asked_for_again(folder, store):
    assert len(Index.update(folder, SHIPPED, store, describing(Told(fails=("4.jpg",)))).described) == 12
    mllm = Told()
    index = Index.update(folder, SHIPPED, store, describing(mllm))
    assert "4.jpg" in mllm.asked and "hat" in index.described[index.names.index("4.jpg")]


def test_captions_of_a_killed_run_are_kept(folder, store, monkeypatch):
    monkeypatch.setattr("icl.apps.index.captions.PORTION", 4)

    class Ends(Told):
        def answer(self, requests):
            if requests[0].task == "vqa" and len(self.asked) >= 8:
                raise KeyboardInterrupt
            return super().answer(requests)

    with pytest.raises(KeyboardInterrupt):
        Index.update(folder, SHIPPED, store, describing(Ends()))
    captions = next(store.glob("*/*/captions.jsonl"))
    with captions.open("ab") as file:
        file.write(b'{"sha256": "torn')
    mllm = Told()
    index = Index.update(folder, SHIPPED, store, describing(mllm))
    assert len(mllm.asked) == 4 and len(index.described) == 12 and Index.open(folder, SHIPPED, store).described
    assert looking.PORTION == 256 and captions.read_bytes().count(b"\n") == 12
