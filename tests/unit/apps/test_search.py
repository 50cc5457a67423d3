"""Searching one's own folder, with the shipped retriever as it is."""

import random

import numpy as np
import pytest
from PIL import Image

from icl.apps.index.files import image_files
from icl.apps.page import page
from icl.apps.search import Found, Gallery, rank, search
from icl.apps.shipped import SHIPPED, shipped_judge
from icl.errors import InputError
from icl.synthpedes.attributes import sample_shot, visible
from icl.synthpedes.benchmark import sample_identities
from icl.synthpedes.captions import state, write_caption
from icl.synthpedes.domains import DOMAINS
from icl.synthpedes.render import render


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """24 pictures of 8 drawn persons in a subfolder, and a caption a person."""
    rng, domain, folder = random.Random(11), DOMAINS["city"], tmp_path_factory.mktemp("own")
    (folder / "street").mkdir()
    captions = []
    for number, person in enumerate(sample_identities(rng, 8, set(), domain)):
        for view in range(3):
            shot = sample_shot(rng, domain.camera)
            Image.fromarray(render(person, shot)).save(folder / f"street/{number}_{view}.png")
        captions.append(write_caption(state(visible(person, shot), domain.style, rng), rng, domain.style.richness))
    return folder, captions


@pytest.fixture(scope="module")
def gallery(folder):
    return Gallery.read(folder[0])


def test_a_folder_without_images_is_named(tmp_path):
    (tmp_path / "notes.txt").touch()
    with pytest.raises(InputError, match="no images"):
        image_files(tmp_path)
    with pytest.raises(InputError, match="no such folder"):
        image_files(tmp_path / "nowhere")


def test_the_right_person_is_mostly_among_the_first_three_of_24(folder, gallery):
    found = [
        any(match.name.startswith(f"street/{number}_") for match in rank(caption, gallery)[:3])
        for number, caption in enumerate(folder[1])
    ]
    assert sum(found) >= 6, found  # by chance: 2.6


def test_rank_gives_every_image_once_with_falling_similarities(folder, gallery):
    matches = rank(folder[1][0], str(folder[0]), SHIPPED)
    assert sorted(match.name for match in matches) == gallery.names and len(matches) == 24
    values = [match.similarity for match in matches]
    assert values == sorted(values, reverse=True) and max(values) <= 1
    encoded = rank(folder[1][0], gallery)
    assert [m.name for m in encoded] == [m.name for m in matches]
    assert np.allclose([m.similarity for m in encoded], values, atol=1e-5)


def test_with_a_judge_the_dialogue_is_told_and_refines_the_ranking(folder, gallery):
    judge = shipped_judge(way="thi")
    found = [search(caption, gallery, judge=judge) for caption in folder[1]]
    for one in found:
        confirmed = one.record["anchor"] is not None
        assert any(one.record["yes"]) or not confirmed
        assert np.array_equal(one.before, one.after) != confirmed
        assert (one.record["refined"] != "") == confirmed
    assert any(one.record["anchor"] is not None for one in found)


@pytest.mark.parametrize("way", ["evidence", "captionsevidence"])
def test_evidence_moves_the_first_images_and_finds_more(folder, gallery, way):
    judge = shipped_judge(way=way)
    if way == "captionsevidence":
        with pytest.raises(InputError, match="captions"):
            search(folder[1][0], gallery, judge=judge)
        gallery = Gallery.read(folder[0], describe=judge)
        assert len(gallery.described) == 24 and all("person" in text.lower() or text for text in gallery.described)
    first = {"before": 0, "after": 0}
    for number, caption in enumerate(folder[1]):
        one = search(caption, gallery, judge=judge)
        assert len(one.record["candidates"]) == len(one.record["yes_probability"]) == judge.rerank.evidence_top_k
        for when in first:
            first[when] += one.names[getattr(one, when).argmax()].startswith(f"street/{number}_")
    assert first["after"] >= first["before"] and first["after"] >= 4, first  # by chance: 1


def test_an_empty_query_is_refused_before_the_folder_is_read(tmp_path):
    with pytest.raises(InputError, match="an empty text"):
        rank("  ", tmp_path / "nowhere")


def test_an_unreadable_picture_or_retriever_is_named(folder, tmp_path):
    (tmp_path / "torn.png").write_bytes(b"no picture")
    with pytest.raises(InputError, match="torn.png"):
        rank("a man", tmp_path)
    with pytest.raises(InputError, match="nowhere"):
        rank("a man", folder[0], tmp_path / "nowhere")


def test_the_page_ranks_by_the_later_similarities_and_escapes_all_texts(tmp_path):
    names = ["a<i>.png", "b&b.png"]
    for name in names:
        Image.new("RGB", (20, 40), "red").save(tmp_path / name)
    record = {"candidates": [0], "yes": [True], "yes_probability": [0.9], "anchor": 0}
    record |= {"subtexts": ["a <script>"], "refined": "a </p> man"}
    found = Found(names, np.array([0.9, 0.1]), np.array([0.2, 0.8]), record)
    text = page("a <b> man", tmp_path, found, "the <em> retriever")
    ranks = text[text.index('class="ranks"') :]
    assert ranks.index("b&amp;b.png") < ranks.index("a&lt;i&gt;.png") and "<b>1</b>, was 2" in ranks
    for text_of_others in ("<b> man", "<script>", "</p> man", "<em>", "a<i>"):
        assert text_of_others not in text.split("</style>")[1], text_of_others
    assert "Answered by the &lt;em&gt; retriever" in text


def test_pictures_on_the_page_keep_their_aspect(tmp_path):
    import base64
    import io
    import re

    for name, size in (("tall.png", (100, 300)), ("wide.png", (400, 100))):
        Image.new("RGB", size, "red").save(tmp_path / name)
    found = Found(["tall.png", "wide.png"], np.array([0.9, 0.1]), np.array([0.9, 0.1]), None)
    sources = re.findall(r"base64,([^\"]+)", page("a man", tmp_path, found, "nobody"))
    sizes = [Image.open(io.BytesIO(base64.b64decode(source))).size for source in sources]
    assert [width / height for width, height in sizes] == [1 / 3, 4]


@pytest.mark.parametrize(
    ("yes", "anchor", "told"),
    [
        ([False, False], None, "No image was confirmed"),
        ([True], None, "below xi"),
        ([True], 0, "Refined: a man"),
        (None, None, "by its log-odds"),
    ],
)
def test_the_page_tells_how_the_dialogue_ended(tmp_path, yes, anchor, told):
    Image.new("RGB", (20, 40), "red").save(tmp_path / "a.png")
    record = {"candidates": [0, 0], "yes_probability": [0.25, 0.75]}
    verdicts = ["No", "Yes"]
    if yes is not None:  # THI's verdict is that of the words, whatever the probability
        record["yes_probability"] = [0.25, 0.75][: len(yes)]
        verdicts = ["Yes" if one else "No" for one in yes]
        record |= {"yes": yes, "anchor": anchor, "subtexts": [], "refined": "a man"}
    found = Found(["a.png"], np.ones(1), np.ones(1), record)
    text = page("a man", tmp_path, found, "nobody")
    ends = ("No image", "below xi", "Refined:", "log-odds")
    assert told in text and sum(end in text for end in ends) == 1
    assert all(f"{said} ({share:.2f})" in text for said, share in zip(verdicts, record["yes_probability"], strict=True))
