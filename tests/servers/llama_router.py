"""llama.cpp's own HTTP servers, one a model, behind one address that goes by the request's `model`: its router mode in small.

    python llama_router.py PORT FOLDER

FOLDER holds a folder a model, named as the model, with NAME.gguf and mmproj-NAME.gguf; `/ports` tells the servers' own
ports. Runs with the package `xllamacpp`.
"""

import http.client
import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import xllamacpp


def start(folder: Path) -> tuple[xllamacpp.Server, int]:
    """The server of one model, and its port."""
    wanted = xllamacpp.CommonParams()
    wanted.model.path = str(folder / f"{folder.name}.gguf")
    wanted.mmproj.path = str(folder / f"mmproj-{folder.name}.gguf")
    wanted.model_alias = {folder.name}
    wanted.n_ctx, wanted.n_parallel, wanted.port = 8192, 4, 0
    wanted.cpuparams.n_threads = 1
    server = xllamacpp.Server(wanted)
    return server, int(server.listening_address.rsplit(":", 1)[1])


class Router(BaseHTTPRequestHandler):
    disable_nagle_algorithm = True
    protocol_version = "HTTP/1.1"
    ports: dict[str, int] = {}

    def log_message(self, *words):
        pass

    def _send(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _pass_on(self, model: str, method: str, body: bytes = b"") -> None:
        if model not in self.ports:
            return self._send(404, json.dumps({"error": {"message": f"model '{model}' not found"}}).encode())
        other = http.client.HTTPConnection("127.0.0.1", self.ports[model], timeout=300)
        other.request(method, self.path, body, {"Content-Type": "application/json"})
        found = other.getresponse()
        self._send(found.status, found.read())
        other.close()

    def do_GET(self):
        page = urlsplit(self.path)
        if page.path == "/ports":
            return self._send(200, json.dumps(self.ports).encode())
        if page.path == "/props":
            return self._pass_on(parse_qs(page.query).get("model", [""])[0], "GET")
        data = [{"id": name, "object": "model", "created": 0, "owned_by": "llamacpp"} for name in self.ports]
        self._send(200, json.dumps({"object": "list", "data": data}).encode())

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self._pass_on(json.loads(body).get("model", ""), "POST", body)


if __name__ == "__main__":
    running = {folder.name: start(folder) for folder in sorted(Path(sys.argv[2]).iterdir()) if folder.is_dir()}
    Router.ports = {name: port for name, (_, port) in running.items()}
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Router).serve_forever()
