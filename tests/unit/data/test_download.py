"""Download of an openly served benchmark, from a real server on loopback that breaks off once."""

import json
import random
import tarfile
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from helpers import save_official_layout

from icl.data.download import download, unpack
from icl.data.verify import verify
from icl.errors import InputError


class Server(ThreadingHTTPServer):
    """Serves one file with ranges; `broken` first answers end after so many bytes."""

    def __init__(self, content: bytes, broken: int = 0, after: int = 0) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.content, self.broken, self.after, self.starts = content, broken, after, []

    def __enter__(self):
        threading.Thread(target=self.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *error):
        self.shutdown()
        self.server_close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/RSTPReid.zip"


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        content = self.server.content
        asked = self.headers.get("Range")
        start = int(asked.removeprefix("bytes=").split("-")[0]) if asked else 0
        self.server.starts.append(start)
        self.send_response(206 if asked else 200)
        self.send_header("Content-Length", str(len(content) - start))
        self.send_header("Content-Type", "application/zip")
        self.send_header("ETag", '"one"')
        if asked:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        self.end_headers()
        body = content[start:]
        if self.server.broken:
            self.server.broken -= 1
            body = body[: self.server.after]
        self.wfile.write(body)

    def log_message(self, *words):
        pass


@pytest.fixture
def archive(tmp_path):
    """RSTPReid's layout inside a folder of a zip, made larger than what a client buffers."""
    source = save_official_layout("rstpreid", tmp_path / "source" / "RSTPReid", identities=3)
    path = tmp_path / "RSTPReid.zip"
    with zipfile.ZipFile(path, "w") as out:
        for file in sorted(source.rglob("*")):
            out.write(file, file.relative_to(source.parent))
        out.writestr("RSTPReid/readme.bin", random.Random(0).randbytes(3_000_000))
    return path


def test_a_broken_off_download_is_carried_on_and_ends_in_the_benchmark(archive, tmp_path):
    content = archive.read_bytes()
    with Server(content, broken=1, after=len(content) // 2) as server:
        download("rstpreid", tmp_path / "data", server.url)
    assert server.starts[0] == 0 and any(start > 0 for start in server.starts), "the rest is asked for, not the whole"
    assert verify("rstpreid", tmp_path / "data", generated=True)["status"] == "ok"
    assert sorted(path.name for path in (tmp_path / "data").iterdir()) == ["data_captions.json", "imgs"]


def test_a_dead_server_is_named(tmp_path):
    with Server(b"") as server:
        url = server.url
    with pytest.raises(InputError, match="no complete download.*Run the same command again"):
        download("rstpreid", tmp_path / "data", url)


@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_members_outside_the_folder_are_refused(kind, tmp_path):
    path = tmp_path / f"evil.{kind}"
    (tmp_path / "x").write_text("x")
    if kind == "zip":
        with zipfile.ZipFile(path, "w") as out:
            out.write(tmp_path / "x", "../../escaped")
    else:
        with tarfile.open(path, "w") as out:
            out.add(tmp_path / "x", "../../escaped")
    with pytest.raises(InputError, match="evil"):
        unpack(path, tmp_path / "deep" / "out")
    assert not list(tmp_path.rglob("escaped"))


def test_what_is_no_archive_or_another_release_is_refused(archive, tmp_path):
    (tmp_path / "page.html").write_text("<html>quota exceeded</html>")
    with pytest.raises(InputError, match="no zip or tar archive"):
        unpack(tmp_path / "page.html", tmp_path / "out")
    with zipfile.ZipFile(tmp_path / "other.zip", "w") as out:
        out.writestr("RSTPReid/caption_all.json", json.dumps([]))
    with Server((tmp_path / "other.zip").read_bytes()) as server, pytest.raises(InputError, match="data_captions.json"):
        download("rstpreid", tmp_path / "data", server.url)


def test_others_are_not_downloaded(tmp_path):
    with pytest.raises(InputError, match="no open download"):
        download("ufine6926", tmp_path / "data")
