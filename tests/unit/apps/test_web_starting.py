"""How the application starts: on one's own folder, without a pack, and what can be in its way."""

import io
import socket
from dataclasses import replace

import pytest
from fastapi.testclient import TestClient
from PIL import Image
from web_site import HOST, make_places

from icl.apps.web.__main__ import main
from icl.apps.web.app import create_app
from icl.apps.web.starting import EXAMPLES, listening, open_site
from icl.errors import InputError


@pytest.fixture(scope="module")
def places(tmp_path_factory):
    return make_places(tmp_path_factory.mktemp("starting"), identities=3, pool=2, shared=1, own=1)


@pytest.fixture
def own(places, tmp_path):
    """A folder of one's own, with a name that would be markup, and no pack."""
    gallery = tmp_path / "mine"
    (gallery / "<b>street").mkdir(parents=True)
    for number, colour in enumerate(("red", "green", "blue")):
        Image.new("RGB", (300, 600), colour).save(gallery / f"<b>street/{number}\"'&.png")
    return replace(places, gallery=gallery, pack=tmp_path / "none", store=tmp_path / "index", mllm=False)


def test_ones_own_folder_is_searched_by_its_names_and_masked(own, capsys):
    site = open_site(own)
    assert "no pack" in capsys.readouterr().err and site.people is None and site.examples == EXAMPLES
    with TestClient(create_app(site), base_url=HOST) as client:
        home = client.get("/").text
        assert "Take part" not in home and "mosaic of 24 cells" in home and "Who answers" not in home
        page = client.post("/search", data={"token": site.tokens.of("start"), "text": "a red coat"})
        assert "&lt;b&gt;street/0&#34;&#39;&amp;.png" in page.text and "<b>street" not in page.text
        shown = client.get(f"{page.url.path}/1/0.png").content
        assert Image.open(io.BytesIO(shown)).size == (96, 192)
        assert client.get("/take-part").status_code == 404
    assert site.gallery.subtexts(0) == []


def test_faces_are_shown_where_that_is_asked_for(own):
    site = open_site(replace(own, faces="shown"))
    with TestClient(create_app(site), base_url=HOST) as client:
        assert "--faces shown" in client.get("/").text
        assert Image.open(io.BytesIO(site.gallery.picture(0))).size == (128, 256)


def test_the_packs_own_gallery_is_searched_by_default(places):
    site = open_site(replace(places, mllm=False))
    assert len(site.gallery.paths) == len(site.people.pack.images) and site.gallery.drawn and not site.gallery.named
    own = {
        path.resolve(): texts for path, texts in zip(site.people.pack.images, site.people.pack.subtexts, strict=True)
    }
    assert [site.gallery.subtexts(k) for k in range(9)] == [own[path.resolve()] for path in site.gallery.paths]


def test_what_is_in_the_way_is_said_in_words(own, tmp_path, capsys):
    assert main(["--pack", str(tmp_path / "nowhere"), "--port", "0"]) == 1
    assert "no pack there" in capsys.readouterr().err
    assert main(["--gallery", str(tmp_path / "nowhere"), "--pack", str(tmp_path / "no"), "--port", "0"]) == 1
    assert "no such folder" in capsys.readouterr().err
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        assert main(["--port", str(taken.getsockname()[1])]) == 1
    assert "Give another one: --port" in capsys.readouterr().err
    with pytest.raises(InputError, match="port 99999"):
        listening(99_999)


def test_it_listens_on_loopback_alone():
    with listening(0) as own:
        assert own.getsockname()[0] == "127.0.0.1"
