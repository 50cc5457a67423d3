"""Judge and witness as a browser sees them, from consent to the summary."""

import io
import re
from dataclasses import replace

import numpy as np
import pytest
from fastapi.testclient import TestClient
from PIL import Image
from web_site import HOST, field, make_places

from icl.apps.web.app import create_app
from icl.apps.web.people import GRACE, LOOK
from icl.apps.web.starting import open_site


@pytest.fixture(scope="module")
def places(tmp_path_factory):
    return make_places(tmp_path_factory.mktemp("people"))


@pytest.fixture(scope="module")
def site(places):
    return open_site(places)


@pytest.fixture(scope="module")
def client(site):
    with TestClient(create_app(site), base_url=HOST) as client:
        yield client


def begun(client, protocol):
    """The first page of a new session."""
    token = field(client.get("/take-part").text, "token")
    page = client.post("/take-part", data={"token": token, "consent": "yes", "protocol": protocol})
    assert page.status_code == 200, page.text
    return page


def act(client, page, action="answer", **fields):
    """Send the form of a page, and get the next page."""
    own = page.url.path
    hidden = {name: field(page.text, name, f"{own}/{action}") for name in ("token", "step")}
    return client.post(f"{own}/{action}", data={**hidden, **fields})


def code_of(page):
    return page.url.path.split("/")[-1]


def lines_of(site, page):
    return site.people.session(code_of(page)).lines


def test_a_judge_goes_from_consent_to_the_summary(client, site):
    page, asked = begun(client, "judge"), 0
    names = [part for path in site.people.pack.images for part in (path.name, path.stem)]
    while "<h1>Is this the person?" in page.text:
        assert not any(name in page.text for name in names) and "Rank" not in page.text
        shown = client.get(f"{page.url.path}/{field(page.text, 'step')}/0.png")
        assert shown.status_code == 200 and not Image.open(io.BytesIO(shown.content)).info
        asked += 1
        page = act(client, page, answer=("no", "unsure", "yes")[asked % 3], browser_seconds="1.25")
    answers = site.people.session(code_of(page)).answers
    assert len(answers) == asked and {line["browser_seconds"] for line in answers} == {1.25}
    assert "Thank you" in page.text and f"You gave {asked} answers about 5 people" in page.text
    assert page.text.count("<tr><td>") == 5 and "with your answers" in page.text.lower()
    assert "Thank you" in client.get(page.url.path).text


def test_a_witness_looks_describes_and_answers(client, site):
    page = begun(client, "witness")
    picture = f"{page.url.path}/{field(page.text, 'step')}/0.png"
    assert 'data-seconds="5.0"' in page.text and "Hide it now" in page.text and client.get(picture).status_code == 200
    page = act(client, page, answer="seen", browser_seconds="5.0")
    assert "<textarea" in page.text and client.get(picture).status_code == 404
    page = act(client, page, answer="described", text="a man in a red coat")
    for number in range(1, 6):
        assert f"Question {number} of 5" in page.text and "a man in a red coat" in page.text
        images = re.findall(r'src="(/session/[^"]*\.png)"', page.text)
        assert len(images) == 10 and all(client.get(image).status_code == 200 for image in images)
        answer = dict(answer="told", text="blue trousers") if number == 2 else dict(answer="unsure", text="dropped")
        page = act(client, page, **answer)
        assert ("So far: a man in a red coat blue trousers" in page.text) == (2 <= number < 5)
    assert "person 2 of 5" in page.text
    page = act(client, page, "finish")
    assert "Thank you" in page.text and "about 1 person" in page.text
    assert [line["answer"] for line in lines_of(site, page)][:4] == ["start", "seen", "described", "unsure"]


def test_a_look_lasts_its_seconds_and_a_reload_does_not_make_it_longer(client, site, monkeypatch):
    now = [1000.0]
    monkeypatch.setattr("icl.apps.web.people.time.monotonic", lambda: now[0])
    page = begun(client, "witness")
    picture = f"{page.url.path}/{field(page.text, 'step')}/0.png"
    now[0] += LOOK
    assert client.get(picture).status_code == 200
    now[0] += GRACE + 0.1
    assert client.get(picture).status_code == 404
    again = client.get(page.url.path)
    assert "The picture was shown" in again.text and "<img" not in again.text
    assert "<textarea" in act(client, again, answer="seen").text


def test_a_slow_browser_gets_the_pictures_of_the_page_that_was_just_answered(client, site):
    page, pictures = begun(client, "judge"), []
    for _ in range(5):
        pictures.append(f"{page.url.path}/{field(page.text, 'step')}/0.png")
        page = act(client, page, answer="unsure")
    assert [client.get(picture).status_code for picture in pictures] == [404, 404, 404, 200, 200]
    assert client.get(f"{page.url.path}/{field(page.text, 'step')}/0.png").status_code == 200


def test_a_double_click_a_second_tab_and_the_way_back_change_nothing(client, site):
    tab = begun(client, "judge")
    other = client.get(tab.url.path)
    act(client, tab, answer="no")
    count = len(lines_of(site, tab))
    for late in (tab, other):
        page = act(client, late, answer="yes")
        assert "nothing was changed" in page.text and len(lines_of(site, tab)) == count
        assert field(page.text, "step") == str(count)
    assert "nothing was changed" not in client.get(tab.url.path).text


def test_an_answer_is_taken_back_with_a_line_of_its_own(client, site):
    first = begun(client, "judge")
    page = act(client, first, answer="yes")
    page = act(client, page, "undo")
    text = re.search(r"<blockquote>(.*?)</blockquote>", first.text)[1]
    assert "taken back" in page.text and text in page.text and f"{first.url.path}/undo" not in page.text
    assert [line["answer"] for line in lines_of(site, first)] == ["start", "yes", "undo"]


def test_a_wrong_answer_keeps_what_was_typed(client, site):
    page = act(client, begun(client, "witness"), answer="seen")
    page = act(client, page, answer="described", text="...")
    assert page.status_code == 400 and 'role="alert"' in page.text and ">...</textarea>" in page.text


def test_a_session_goes_on_after_the_server_was_started_anew(client, site, places):
    page = act(client, begun(client, "judge"), answer="no")
    with TestClient(create_app(open_site(places)), base_url=HOST) as fresh:
        again = fresh.get(page.url.path)
        assert re.findall(r"<blockquote>.*", again.text) == re.findall(r"<blockquote>.*", page.text)
        old = act(fresh, page, answer="yes")  # its form is from before
        assert old.status_code == 403 and "another session" in old.text
        token = field(fresh.get("/take-part").text, "token")
        by_code = fresh.post("/take-part/resume", data={"token": token, "code": f" {code_of(page).upper()} "})
        assert "Here you left off" in by_code.text
        assert act(fresh, again, answer="yes").status_code == 200
    assert len(lines_of(site, page)) == 2, "not read yet"
    assert field(client.get(page.url.path).text, "step") == "3", "another server's answers are not seen"


def test_faces_of_photographs_are_masked_and_the_page_says_so(client, places):
    assert "All pictures are drawn" in client.get("/take-part").text
    photos = open_site(places)
    photos.people = replace(photos.people, pack=replace(photos.people.pack, drawn=False))
    with TestClient(create_app(photos), base_url=HOST) as client:
        page = begun(client, "judge")
        shown = Image.open(io.BytesIO(client.get(f"{page.url.path}/1/0.png").content))
        assert "mosaic of 24 cells" in page.text and shown.size[1] == 24 * 8
        blocks = np.asarray(shown)
        assert (blocks[:8, :8] == blocks[0, 0]).all()


def test_nothing_personal_is_kept(client, site):
    page = begun(client, "judge")
    client.headers["user-agent"] = "Secret/1.0"
    page = act(client, page, answer="no")
    text = (site.people.folder / f"{code_of(page)}.jsonl").read_text()
    assert "Secret" not in text and "127.0.0.1" not in text and "testclient" not in text
