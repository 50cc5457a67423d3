"""What the application refuses: each is answered in words, and changes neither a session nor a file."""

import io
import re
import struct
import tempfile
import zlib

import numpy as np
import pytest
from fastapi.testclient import TestClient
from PIL import Image
from starlette.websockets import WebSocketDisconnect
from web_site import HOST, field, make_site

from icl.apps.web.app import create_app
from icl.apps.web.guard import PHOTO_LIMIT, TEXT_LIMIT

FORM = "application/x-www-form-urlencoded"


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A client of a site with a search, a judge, a witness who looks, one who describes, and a session that is over."""
    folder = tmp_path_factory.mktemp("bad")
    (folder / "temporary").mkdir()
    before, tempfile.tempdir = tempfile.tempdir, str(folder / "temporary")
    site = make_site(folder)
    with TestClient(create_app(site), base_url=HOST, follow_redirects=False, raise_server_exceptions=False) as client:
        yield Place(client, site, folder)
    tempfile.tempdir = before


class Place:
    def __init__(self, client, site, folder):
        self.client, self.site, self.folder = client, site, folder
        self.start = site.tokens.of("start")
        self.search = client.post("/search", data={"token": self.start, "text": "a red coat"}).headers["location"]
        begun = dict(token=self.start, consent="yes")
        names = ("judge", "witness", "describer", "over")
        for name, protocol in zip(names, ("judge", "witness", "witness", "judge"), strict=True):
            answer = client.post("/take-part", data={**begun, "protocol": protocol})
            setattr(self, name, answer.headers["location"])
        assert self.post(self.describer, "answer", answer="seen").status_code == 303
        assert self.post(self.over, "finish").status_code == 303

    def hidden(self, page, **changed):
        """The hidden fields of a page's form."""
        if page == self.search:
            code = page.split("/")[-1]
            step = self.site.searches[code].step
            return {
                "token": self.site.tokens.of(f"search {code}"),
                "step": step,
                "place": 0,
                "verdict": "yes",
                **changed,
            }
        session = self.site.people.session(page.split("/")[-1])
        return {"token": self.site.tokens.of(f"session {session.code}"), "step": session.view().step, **changed}

    def post(self, page, action, **changed):
        return self.client.post(f"{page}/{action}", data=self.hidden(page, **changed))

    def verdict(self, **changed):
        return self.post(self.search, "verdict", **changed)

    def ask(self, content=None, files=None, headers=None, **fields):
        return self.client.post("/search", data={"token": self.start, **fields}, files=files, headers=headers)

    def photo(self, content, name="person.png", **fields):
        return self.ask(files={"photo": (name, content, "image/png")}, **fields)

    def state(self):
        """All that a bad input could change."""
        files = {str(p): p.read_bytes() for p in sorted(self.folder.rglob("*")) if p.is_file()}
        return files, {code: list(one.events) for code, one in self.site.searches.items()}


def png(width, height):
    out = io.BytesIO()
    Image.new("RGB", (width, height), "red").save(out, "PNG")
    return out.getvalue()


def claimed_png(width, height, *more):
    """A small PNG file that says it has so many pixels."""
    parts = [
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)),
        *more,
        (b"IDAT", zlib.compress(b"\0" * 99)),
    ]
    chunks = (
        struct.pack(">I", len(d)) + k + d + struct.pack(">I", zlib.crc32(k + d)) for k, d in (*parts, (b"IEND", b""))
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def gif():
    out = io.BytesIO()
    Image.new("P", (40, 80)).save(out, "GIF")
    return out.getvalue()


TEXT_BOMB = (b"zTXt", b"a\0\0" + zlib.compress(b"x" * 300_000_000, 9))
LONG = "a" * 10_000
FOREIGN = {"origin": "http://elsewhere.example"}
SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'
CUT = b'--x\r\nContent-Disposition: form-data; name="text"\r\n\r\na red coat'

BAD = {
    "no words": (400, "neither words nor a photo", lambda p: p.ask(text="")),
    "blanks": (400, "neither words", lambda p: p.ask(text=" \t\r\n ")),
    "control characters": (400, "neither words", lambda p: p.ask(text="\0\x07\u200b\u202e")),
    "10,000 characters": (400, "10,000 characters", lambda p: p.ask(text=LONG)),
    "a field of 100 kB": (400, "could not be read", lambda p: p.ask(text=LONG * 10, files={"photo": b""})),
    "no such example": (400, "could not be read", lambda p: p.ask(example="99")),
    "an example below none": (400, "could not be read", lambda p: p.ask(example="-1")),
    "an example with tags": (400, "could not be read", lambda p: p.ask(example="<script>alert(1)</script>")),
    "no such answerer": (400, "no such answerer", lambda p: p.ask(text="a red coat", who="everybody")),
    "no such manner": (400, "no such answerer", lambda p: p.ask(text="a red coat", manner="<b>")),
    "no token": (403, "another session", lambda p: p.client.post("/search", data={"text": "a red coat"})),
    "a made-up token": (403, "another session", lambda p: p.verdict(token="0" * 32)),
    "a token that is no text": (403, "another session", lambda p: p.verdict(token="\udcff\u2603".encode(errors="replace"))),
    "a session's token for a search": (403, "another session", lambda p: p.verdict(token=p.hidden(p.judge)["token"])),
    "another session's token": (
        403, "another session", lambda p: p.post(p.judge, "answer", answer="yes", token=p.hidden(p.over)["token"])),
    "the token that starts for a session": (403, "another", lambda p: p.post(p.judge, "answer", answer="yes", token=p.start)),
    "no such verdict": (400, "could not be read", lambda p: p.verdict(verdict="maybe")),
    "a place beyond the ranking": (409, "too old", lambda p: p.verdict(place=9999)),
    "a place below it": (400, "could not be read", lambda p: p.verdict(place=-1)),
    "a place in other digits": (400, "could not be read", lambda p: p.verdict(place="\u0661")),
    "a place that overflows": (400, "could not be read", lambda p: p.verdict(place="9" * 4000)),
    "a step to come": (409, "too old", lambda p: p.verdict(step=999)),
    "no step": (400, "could not be read", lambda p: p.post(p.judge, "answer", answer="yes", step="")),
    "a text as a picture": (400, "no picture", lambda p: p.photo(b"hello")),
    "a broken picture": (400, "no picture", lambda p: p.photo(png(64, 128)[:90])),
    "a picture that unfolds to 10 GB": (400, "at most", lambda p: p.photo(claimed_png(60_000, 60_000))),
    "a picture of too many pixels": (400, "at most 24,000,000", lambda p: p.photo(claimed_png(6000, 6000))),
    "a text chunk that unfolds to 300 MB": (400, "no picture", lambda p: p.photo(claimed_png(9, 9, TEXT_BOMB))),
    "a picture as thin as a line": (400, "sides", lambda p: p.photo(png(1, 5000))),
    "a GIF": (400, "JPEG, PNG, WEBP or BMP", lambda p: p.photo(gif())),
    "an SVG with a script": (400, "no picture", lambda p: p.photo(SVG, "x.svg")),
    "PostScript": (400, "no picture", lambda p: p.photo(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n")),
    "an empty picture and no words": (400, "neither words", lambda p: p.photo(b"", text="")),
    "13 MB": (413, "12 MB", lambda p: p.photo(b"\0" * (PHOTO_LIMIT + 1))),
    "13 MB of unstated length": (
        413, "12 MB", lambda p: p.client.post("/search", content=iter([b"a" * 2**20] * 13), headers={"content-type": FORM})),
    "100 kB where no picture belongs": (413, "64 kB", lambda p: p.post(p.judge, "answer", answer="y" * 100_000)),
    "100 kB of unstated length": (
        413, "64 kB", lambda p: p.client.post(
            f"{p.judge}/answer", content=iter([b"a" * 2**15] * 3), headers={"content-type": FORM})),
    "two pictures": (
        400, "could not be read", lambda p: p.ask(files=[("photo", ("a", png(9, 9))), ("photo", ("b", png(9, 9)))])),
    "100 fields": (400, "could not be read", lambda p: p.ask(**{f"f{k}": "1" for k in range(100)})),
    "JSON": (400, "could not be read", lambda p: p.client.post("/search", json={"text": "a red coat"})),
    "a form that breaks off": (
        403, "another session", lambda p: p.client.post(
            "/search", content=CUT, headers={"content-type": "multipart/form-data; boundary=x"})),
    "a form without a boundary": (
        400, "could not be read", lambda p: p.client.post(
            "/search", content=CUT, headers={"content-type": "multipart/form-data"})),
    "a length in words": (
        400, "length", lambda p: p.client.post("/search", content=b"", headers={"content-length": "many"})),
    "reading what takes forms": (405, "does not take", lambda p: p.client.get("/take-part/resume")),
    "sending to what is read": (405, "does not take", lambda p: p.client.post("/", data={"text": "x"})),
    "DELETE": (405, "nothing else", lambda p: p.client.delete(p.search)),
    "PUT": (405, "nothing else", lambda p: p.client.put(p.judge, content=b"yes")),
    "an address outside": (404, "no such", lambda p: p.client.get("/search/..%2f..%2f..%2fetc%2fpasswd")),
    "a session's file outside": (404, "no such", lambda p: p.client.get("/session/..%2fsessions%2fx")),
    "a static file outside": (404, "no such", lambda p: p.client.get("/static/..%2fapp.py")),
    "a static file at the root": (404, "no such", lambda p: p.client.get("/static//etc/passwd")),
    "the description of the API": (404, "no such", lambda p: p.client.get("/openapi.json")),
    "no such search": (404, "no such search", lambda p: p.client.get("/search/aaaabbbbccccdddd")),
    "no such session": (404, "not known", lambda p: p.client.get("/session/aaaabbbbccccdddd")),
    "a session's name that is none": (404, "not known", lambda p: p.client.get("/session/%00%0a<script>")),
    "resuming a path": (
        400, "not known", lambda p: p.client.post("/take-part/resume", data={"token": p.start, "code": "../../etc/passwd"})),
    "another machine's name": (421, "127.0.0.1", lambda p: p.client.get("/", headers={"host": "elsewhere.example"})),
    "no machine's name": (421, "127.0.0.1", lambda p: p.client.get("/", headers={"host": "["})),
    "a form from elsewhere": (403, "another site", lambda p: p.ask(text="a red coat", headers=FOREIGN)),
    "a form from another port": (
        403, "another site", lambda p: p.ask(text="a red coat", headers={"origin": "http://127.0.0.1:9"})),
    "a form from a file": (403, "another site", lambda p: p.ask(text="a red coat", headers={"origin": "null"})),
    "a form that the browser calls foreign": (
        403, "another site", lambda p: p.ask(text="a red coat", headers={"sec-fetch-site": "cross-site"})),
    "an answer from elsewhere": (
        403, "another site", lambda p: p.client.post(
            f"{p.judge}/answer", data=p.hidden(p.judge, answer="yes"), headers=FOREIGN)),
    "no consent": (
        400, "once you agree", lambda p: p.client.post("/take-part", data={"token": p.start, "protocol": "judge"})),
    "no such protocol": (
        400, "protocol", lambda p: p.client.post(
            "/take-part", data={"token": p.start, "protocol": "../x", "consent": "yes"})),
    "an answer with tags": (
        400, "yes or no or unsure", lambda p: p.post(p.judge, "answer", answer="<script>alert(1)</script>")),
    "an answer of the other protocol": (400, "yes or no or unsure", lambda p: p.post(p.judge, "answer", answer="seen")),
    "no answer": (400, "yes or no or unsure", lambda p: p.post(p.judge, "answer")),
    "an empty description": (400, "empty text", lambda p: p.post(p.describer, "answer", answer="described", text=" \n")),
    "a description of signs": (400, "empty text", lambda p: p.post(p.describer, "answer", answer="described", text="...!")),
    "a description of 10,000 characters": (
        400, "at most 2000", lambda p: p.post(p.describer, "answer", answer="described", text=LONG)),
    "a description before the look": (400, "seen", lambda p: p.post(p.witness, "answer", answer="described", text="a man")),
    "taking back what was not said": (400, "nothing to take back", lambda p: p.post(p.judge, "undo")),
    "taking back a look": (400, "nothing to take back", lambda p: p.post(p.describer, "undo")),
    "an answer after the end": (400, "after its end", lambda p: p.post(p.over, "answer", answer="yes")),
    "an end after the end": (400, "its end already", lambda p: p.post(p.over, "finish")),
    "no such action": (404, "no such page", lambda p: p.post(p.judge, "delete")),
    "a picture to come": (404, "no such picture", lambda p: p.client.get(f"{p.judge}/99/0.png")),
    "a picture beyond the page's": (404, "no such picture", lambda p: p.client.get(f"{p.judge}/1/1.png")),
    "a picture by a name": (404, "no such page", lambda p: p.client.get(f"{p.judge}/1/passwd.png")),
    "a hidden picture": (404, "no such picture", lambda p: p.client.get(f"{p.describer}/1/0.png")),
    "a search's picture beyond its end": (404, "no such picture", lambda p: p.client.get(f"{p.search}/1/60.png")),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_a_bad_input_is_answered_in_words_and_changes_nothing(place, name):
    status, words, send = BAD[name]
    before = place.state()
    answer = send(place)
    text = " ".join(re.sub(r"<[^>]*>", " ", answer.text).split())
    assert answer.status_code == status, text[:500]
    assert words.lower() in text.lower() and answer.headers["content-type"].startswith("text/html")
    assert "<script>" not in answer.text and "Traceback" not in text and str(place.folder) not in text
    assert (
        answer.headers["cache-control"] == "no-store"
        and "default-src 'none'" in answer.headers["content-security-policy"]
    )
    assert place.state() == before


def test_a_stale_answer_leads_to_the_present_page_and_changes_nothing(place):
    before = place.state()
    answer = place.post(place.judge, "answer", answer="yes", step=0)
    page = place.client.get(answer.headers["location"])
    assert answer.status_code == 303 and "nothing was changed" in page.text and place.state() == before


def test_tags_in_a_query_are_words(place):
    evil = "<script>alert(1)</script><img src=x onerror=alert(2)> {{ 7 * 7 }}"
    answer = place.ask(text=evil)
    page = place.client.get(answer.headers["location"]).text
    assert (
        answer.status_code == 303 and "<script>" not in page and "<img src=x" not in page and "&lt;script&gt;" in page
    )
    assert "{{ 7 * 7 }}" in page


def test_a_pictures_name_is_not_looked_at_and_nothing_is_written(place):
    files = place.state()[0]
    answer = place.photo(png(64, 128), "../../../../tmp/evil.png")
    assert answer.status_code == 303 and place.state()[0] == files
    page = place.client.get(answer.headers["location"]).text
    assert "evil" not in page


def test_a_picture_of_some_megabytes_stays_in_memory(place, monkeypatch):
    written = []  # a temporary file without a name is seen by nobody
    monkeypatch.setattr(tempfile.SpooledTemporaryFile, "rollover", written.append)
    noise = np.random.default_rng(0).integers(0, 255, (1200, 900, 3), dtype=np.uint8)
    out = io.BytesIO()
    Image.fromarray(noise).save(out, "PNG")
    assert len(out.getvalue()) > 3 * 2**20
    files = place.state()[0]
    answer = place.photo(out.getvalue())
    assert answer.status_code == 303 and place.state()[0] == files and not written
    code = answer.headers["location"].split("/")[-1]
    assert max(place.site.searches[code].photo.size) == 1024


def test_a_fault_of_the_application_is_told_in_words_behind_the_guard(place, monkeypatch):
    def fails(*_given):
        raise RuntimeError("a secret")

    monkeypatch.setattr(place.site.gallery, "similarities", fails)
    answer = place.ask(text="a red coat")
    assert answer.status_code == 500 and "Something went wrong" in answer.text and "secret" not in answer.text
    assert answer.headers["cache-control"] == "no-store" and "default-src" in answer.headers["content-security-policy"]


def test_a_stopwatch_that_says_nonsense_says_nothing(place):
    started = place.client.post("/take-part", data=dict(token=place.start, consent="yes", protocol="judge"))
    page, said = started.headers["location"], ["nan", "-3", "1e999", "soon", "2.5"]
    for seconds in said:
        assert place.post(page, "answer", answer="unsure", browser_seconds=seconds).status_code == 303
    lines = place.site.people.session(page.split("/")[-1]).answers
    assert [line["browser_seconds"] for line in lines] == [None] * 4 + [2.5]


def test_no_websocket_is_served(place):
    with pytest.raises(WebSocketDisconnect), place.client.websocket_connect("/"):
        pass


def test_limits_are_as_the_pages_say(place):
    assert "12 MB" in place.client.get("/").text and TEXT_LIMIT == 64 * 1024
    assert field(place.client.get("/").text, "token") == place.start
