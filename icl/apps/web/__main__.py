"""`python -m icl.apps.web`: search a gallery and take part in measured sessions, in a browser on this machine."""

from __future__ import annotations

import argparse
import os
import sys
from contextlib import suppress
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"  # before transformers is imported: nothing is looked up elsewhere, not even in vain

import uvicorn  # noqa: E402

from icl.apps.web.app import create_app  # noqa: E402
from icl.apps.web.starting import Places, listening, open_site  # noqa: E402
from icl.errors import InputError  # noqa: E402
from icl.progress import announce  # noqa: E402


def main(words: list[str] | None = None) -> int:
    """Serve until interrupted; the exit status."""
    given = _arguments().parse_args(words)
    places = {name: value for name, value in vars(given).items() if name not in ("port", "no_mllm")}
    try:
        own = listening(given.port)
        site = open_site(Places(**places, mllm=not given.no_mllm))
    except InputError as error:
        print(error, file=sys.stderr)
        return 1
    app = create_app(site)
    # No access log: it would keep who asked for which page and when.
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", access_log=False, server_header=False, ws="none"))
    announce(f"open http://{own.getsockname()[0]}:{own.getsockname()[1]} in a browser; Ctrl-C ends it")
    with suppress(KeyboardInterrupt):  # it raises what it was ended by, once all is closed
        server.run(sockets=[own])
    return 0


def _arguments() -> argparse.ArgumentParser:
    own = Places()
    parser = argparse.ArgumentParser(prog="python -m icl.apps.web", description=__doc__)
    parser.add_argument("--pack", type=Path, default=own.pack, help="of the measured sessions (%(default)s)")
    parser.add_argument("--sessions", type=Path, default=own.sessions, help="where they are kept (%(default)s)")
    parser.add_argument("--gallery", type=Path, help="folder of images to search (the pack's)")
    parser.add_argument(
        "--models", type=Path, default=own.models, help="retriever, adapter and parameters (the shipped)"
    )
    parser.add_argument("--store", type=Path, default=own.store, help="of the galleries' indexes (%(default)s)")
    parser.add_argument("--port", type=int, default=8000, help="on 127.0.0.1; 0: any free one (%(default)s)")
    parser.add_argument("--faces", choices=("masked", "shown"), default=own.faces, help="of photographs (%(default)s)")
    parser.add_argument("--no-mllm", action="store_true", help="nobody but the person answers")
    return parser


if __name__ == "__main__":
    sys.exit(main())
