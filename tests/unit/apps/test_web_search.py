"""The search as a browser sees it: ranking, evidence, dialogue, what a person says, export; with the shipped models."""

import io
import json
import re
import threading
import time

import numpy as np
import pytest
from fastapi.testclient import TestClient
from PIL import Image
from web_site import HOST, make_site

from icl.apps.web.app import create_app
from icl.apps.web.results import marked, rank_of
from icl.apps.web.searching import combined
from icl.apps.web.uploads import LONGEST, read_photo


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    return make_site(tmp_path_factory.mktemp("search"))


@pytest.fixture(scope="module")
def client(site):
    with TestClient(create_app(site), base_url=HOST) as client:
        yield client


def started(client, site, files=None, **fields):
    """The page of a new search, and the search."""
    page = client.post("/search", data={"token": site.tokens.of("start"), **fields}, files=files)
    assert page.status_code == 200, page.text
    return page.text, site.searches[page.url.path.split("/")[-1]]


def said(client, site, search, place, verdict, step=None):
    given = {"token": site.tokens.of(f"search {search.code}"), "step": step or search.step, "place": place}
    page = client.post(f"/search/{search.code}/verdict", data={**given, "verdict": verdict})
    assert page.status_code == 200, page.text
    return page.text


def caption_of(site, wanted=None):
    """A caption, and the columns of its person."""
    own, q = site.people.pack, 5
    return own.captions[q], np.flatnonzero(own.embeddings.image_pids == own.embeddings.text_pids[q]).tolist()


def test_the_first_page_offers_examples_that_search(client, site):
    home = client.get("/").text
    assert home.count('name="example"') == 4 == len(site.examples)
    page, search = started(client, site, example="2", text="")
    assert search.text == site.examples[2] and site.examples[2] in page


@pytest.mark.parametrize("who, manner", [("mllm", "evidence"), ("both", "thi"), ("person", "evidence")])
def test_who_answers_is_who_was_asked(client, site, who, manner):
    page, search = started(client, site, text=caption_of(site)[0], who=who, manner=manner)
    assert not search.failed and not search.waiting
    assert bool(search.said.shares) == (who != "person") and (search.said.record is not None) == (manner == "thi")
    assert ("Is this the person?</h2>" in page) == (who != "mllm")
    assert page.count('class="share"') == len([k for k in search.orders[search.step][:12] if k in search.said.shares])


def test_evidence_moves_images_as_the_row_of_the_table_does(client, site):
    from icl.apps.search import search as by_search

    text = caption_of(site)[0]
    _, search = started(client, site, text=text, who="mllm")
    found = by_search(text, site.gallery.index, judge=site.mind.evidence)
    assert np.allclose(search.scores, found.after, atol=1e-5) and not np.allclose(search.scores, search.said.base)


def test_thi_ranks_as_the_row_of_the_table_does_and_marks_the_added_words(client, site):
    from icl.apps.search import search as by_search

    refined = 0
    for text in site.people.pack.captions[:4]:
        page, search = started(client, site, text=text, who="mllm", manner="thi")
        found = by_search(text, site.gallery.index, judge=site.mind.thi)
        assert np.allclose(search.scores, found.after, atol=1e-5)
        assert search.said.record["yes"] == found.record["yes"] and "Dialogue" in page
        if found.record["anchor"] is not None:
            refined += 1
            assert "<mark>" in page and "Refined query" in page
    assert refined


def test_a_confirmed_image_comes_first_and_refines_the_query_and_can_be_taken_back(client, site):
    text, own = caption_of(site)
    _, search = started(client, site, text=text)
    before, step = search.scores, search.step
    place = 3
    column = search.column(step, place)
    page = said(client, site, search, place, "yes")
    assert search.column(search.step, 0) == column and search.said.refinement().anchor == column
    assert "Refined query" in page and "You: the person" in page and "from the image that you confirmed" in page
    assert search.saw[column] == site.people.pack.subtexts[column]
    said(client, site, search, 0, "back")
    assert np.array_equal(search.scores, before) and search.said.refinement() is None


def test_a_refused_image_goes_last_and_one_that_nobody_can_tell_stays(client, site):
    _, search = started(client, site, text="a man in a red jacket")
    first = search.column(search.step, 0)
    said(client, site, search, 0, "no")
    assert rank_of(search.scores, first) == len(search.scores)
    scores = search.scores
    said(client, site, search, 0, "unsure")
    assert np.array_equal(search.scores, scores) and len(search.said.verdicts) == 2


def test_what_one_clicks_is_what_one_saw_and_a_double_click_counts_once(client, site):
    _, search = started(client, site, text="a woman in a blue dress")
    old, second = search.step, search.column(search.step, 1)
    said(client, site, search, 1, "yes")
    assert search.column(search.step, 0) == second
    steps, events = search.step, len(search.events)
    said(client, site, search, 1, "yes", step=old)  # from the page before: the same picture, at its old place
    assert search.said.verdicts == {second: "yes"} and (search.step, len(search.events)) == (steps, events)


def test_a_photo_finds_its_person_alone_and_beside_words(client, site):
    text, own = caption_of(site)
    out = io.BytesIO()
    Image.open(site.gallery.paths[own[0]]).convert("RGB").save(out, "JPEG", quality=95)
    files = {"photo": ("../x.jpg", out.getvalue(), "image/jpeg")}
    page, alone = started(client, site, files=files, text="")
    assert alone.column(alone.step, 0) == own[0] and "Your photo" in page and not alone.said.shares
    page, both = started(client, site, files=files, text=text)
    assert rank_of(both.said.base, own[0]) == 1 and both.said.shares
    _, kept = started(client, site, text="a man", keep="yes", before=both.code)
    assert kept.photo is both.photo
    shown = client.get(f"/search/{alone.code}/photo.png")
    assert shown.status_code == 200 and Image.open(io.BytesIO(shown.content)).size[1] == 24 * 8  # always a mosaic


def test_two_similarities_of_different_spread_count_alike():
    rng = np.random.default_rng(0)
    text, photo = rng.normal(0.5, 0.05, 100), rng.normal(0.8, 0.2, 100)
    found = combined(text, photo)
    assert np.corrcoef(found, text)[0, 1] == pytest.approx(np.corrcoef(found, photo)[0, 1], abs=0.02)
    assert found.mean() == pytest.approx(text.mean()) and combined(text, None) is text
    assert np.isfinite(combined(text, np.ones(100))).all()


def test_a_large_photo_is_kept_small_and_without_what_its_file_tells():
    photo = Image.new("RGB", (4000, 3000), "red")
    tags = Image.Exif()
    tags[0x010E], tags[0x0112] = "at home", 6  # turned by 90 degrees
    out = io.BytesIO()
    photo.save(out, "JPEG", exif=tags)
    found = read_photo(out.getvalue())
    assert found.size == (768, LONGEST) and not found.info and not found.getexif()


def test_words_that_are_new_are_marked():
    assert marked("A man in a red coat.", "The man in a red coat has a bag.") == [
        ("The", True),
        ("man in a red coat", False),
        ("has a bag.", True),
    ]
    assert marked("", "a bag") == [("a bag", True)] and marked("a bag", "") == []


def test_the_export_tells_all_answers_and_neither_names_nor_columns_of_a_benchmark(client, site):
    _, search = started(client, site, text=caption_of(site)[0], manner="thi")
    said(client, site, search, 2, "yes")
    answer = client.get(f"/search/{search.code}/export.json")
    found = json.loads(answer.text)
    assert "attachment" in answer.headers["content-disposition"]
    assert found["query"]["text"] == search.text and len(found["ranking"]) == len(search.scores)
    assert [event["event"] for event in found["events"]] == ["query", "THI", "verdict", "refined"]
    assert found["dialogue"][-1]["who"] == "you" and found["refined"]
    names = {path.name for path in site.gallery.paths}
    assert not any(name in answer.text for name in names)
    assert all(re.fullmatch(r"picture [0-9a-f]{10}", image["name"]) for image in found["ranking"])
    assert all(isinstance(event.get("column", ""), str) for event in found["events"])


def test_pages_tell_neither_names_nor_identities_of_a_benchmark(client, site):
    page, search = started(client, site, text="a woman")
    names = [part for path in site.gallery.paths for part in (path.name, path.stem)]
    assert not any(name in page for name in names) and str(site.gallery.paths[0].parent) not in page
    shown = client.get(f"/search/{search.code}/{search.step}/0.png")
    assert shown.headers["cache-control"] == "no-store" and not Image.open(io.BytesIO(shown.content)).info


def test_an_ended_search_is_forgotten(client, site):
    _, search = started(client, site, text="a woman")
    given = {"token": site.tokens.of(f"search {search.code}")}
    assert "forgotten" in client.post(f"/search/{search.code}/end", data=given).text
    assert search.code not in site.searches and client.get(f"/search/{search.code}").status_code == 404


def test_old_searches_make_room(client, site, monkeypatch):
    monkeypatch.setattr("icl.apps.web.site.SEARCHES", 3)
    codes = [started(client, site, text="a man", who="person")[1].code for _ in range(5)]
    assert [code in site.searches for code in codes] == [False, False, True, True, True]


def test_a_search_that_was_left_is_forgotten(site, monkeypatch):
    monkeypatch.setattr("icl.apps.web.app.SWEEP", 0.05)
    monkeypatch.setattr(site, "close", lambda: None)
    with TestClient(create_app(site), base_url=HOST) as client:
        _, left = started(client, site, text="a man", who="person")
        _, kept = started(client, site, text="a man", who="person")
        left.used -= 4000  # more than an hour
        deadline = time.monotonic() + 10
        while left.code in site.searches and time.monotonic() < deadline:
            time.sleep(0.02)
        assert left.code not in site.searches and kept.code in site.searches


def test_a_slow_mllm_holds_up_nobody_elses_page(client, site, monkeypatch):
    """One search's questions hang; others get their pages, and that search's page says what it waits for."""
    free, real = threading.Event(), site.mind.shares
    monkeypatch.setattr(site.mind, "shares", lambda *given: free.wait(20) and real(*given))
    monkeypatch.setattr("icl.apps.web.search_pages.PATIENCE", 0.1)
    page, search = started(client, site, text="a man in a red jacket", who="mllm")
    try:
        assert "this page looks again" in page and 'http-equiv="refresh"' in page and not search.said.shares
        start = time.monotonic()
        assert client.get("/").status_code == 200
        assert "Results" in started(client, site, text="a woman", who="person")[0]
        assert time.monotonic() - start < 5
    finally:
        free.set()
    deadline = time.monotonic() + 20
    while search.waiting and time.monotonic() < deadline:
        time.sleep(0.02)
    page = client.get(f"/search/{search.code}").text
    assert search.said.shares and "looks again" not in page and 'class="share"' in page


def test_what_is_taken_back_while_the_mllm_describes_it_refines_nothing(client, site, monkeypatch):
    free, real = threading.Event(), site.mind.refine
    monkeypatch.setattr(site.mind, "refine", lambda *given: free.wait(20) and real(*given))
    monkeypatch.setattr("icl.apps.web.search_pages.PATIENCE", 0.1)
    _, search = started(client, site, text="a man in a red jacket", who="person")
    try:
        said(client, site, search, 0, "yes")
        said(client, site, search, 0, "back")
    finally:
        free.set()
    deadline = time.monotonic() + 20
    while search.waiting and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not search.waiting and [event["event"] for event in search.events] == ["query", "verdict", "verdict"]
    assert search.said.refinement() is None and np.array_equal(search.scores, search.said.base)


def test_an_mllm_that_fails_is_told_and_leaves_the_retrievers_ranking(client, site, monkeypatch):
    def fails(*_given):
        raise RuntimeError("out of memory")

    monkeypatch.setattr(site.mind, "shares", fails)
    page, search = started(client, site, text="a man in a red jacket", who="mllm")
    assert "The MLLM gave no answer" in page and np.array_equal(search.scores, search.said.base)
    monkeypatch.undo()
    assert started(client, site, text="a man in a red jacket", who="mllm")[1].said.shares, "the thread is dead"


def test_too_many_waiting_questions_are_refused_in_words(client, site, monkeypatch):
    monkeypatch.setattr(site.mind, "_slots", threading.Semaphore(0))
    page, search = started(client, site, text="a man in a red jacket", who="mllm")
    assert "questions before this one" in page and not search.waiting
