"""From folders to a site that can be served."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass, replace
from pathlib import Path

from icl.apps.index import Index
from icl.apps.shipped import SHIPPED, chosen_names, read_chosen, shipped_judge
from icl.apps.web.gallery import Gallery
from icl.apps.web.mind import Mind
from icl.apps.web.people import People
from icl.apps.web.site import Site
from icl.errors import InputError
from icl.human.pack import CHECKSUMS, Pack
from icl.progress import announce, stage, task

ADDRESS = "127.0.0.1"
"""The server answers on loopback alone."""
EXAMPLES = [
    "a man in a red jacket with a black backpack",
    "a woman in a blue dress with long hair",
    "somebody in a grey coat who carries a bag",
    "a man in a white shirt and dark trousers",
]
SHORT = 110
"""Characters of an example at most."""


@dataclass(frozen=True)
class Places:
    """Attributes:
    pack: of the measured sessions. sessions: their journals. gallery: folder to search; None: the pack's.
    models: retriever, adapter and parameters, as models/synthpedes-icl holds them. store: of indexes. faces: of photographs.
    mllm: whether the MLLM is asked.
    """

    pack: Path = Path("results/human/pack")
    sessions: Path = Path("results/human/sessions")
    gallery: Path | None = None
    models: Path = SHIPPED
    store: Path = Path("results/index")
    faces: str = "masked"
    mllm: bool = True


def open_site(places: Places) -> Site:
    """Everything that pages need, with a progress bar.

    Raises:
        InputError: neither a pack nor a gallery, an unreadable one, or damaged models.
    """
    with task(4, "starting", counted=False) as work:
        pack = _pack(places)
        work.advance()
        folder = places.gallery or _folder(_required(pack))
        with stage("gallery"):
            index = Index.update(folder, places.models, places.store)
        work.advance()
        mind = _mind(places) if places.mllm else None
        work.advance()
        shown = pack if pack is not None and folder.resolve() == _folder(pack).resolve() else None
        known, drawn = (_known(index, shown), shown.drawn) if shown else (None, False)
        gallery = Gallery(index, drawn, places.faces, shown is None, known)
        people = People(pack, places.sessions, pack.encoder(), places.faces) if pack else None
        site = Site(gallery, mind, _examples(shown) if shown else EXAMPLES, people=people)
        _warm(site)
        work.advance()
    return site


def _required(pack: Pack | None) -> Pack:
    assert pack is not None, "without a gallery there is a pack, or an error before"
    return pack


def _pack(places: Places) -> Pack | None:
    if places.gallery is not None and not (places.pack / CHECKSUMS).exists():
        announce(f"{places.pack}: no pack there, so that nobody can take part in measured sessions (see docs/app.md)")
        return None
    return Pack.open(places.pack)


def _folder(pack: Pack) -> Path:
    """The folder that holds a pack's images."""
    return Path(os.path.commonpath([path.resolve().parent for path in pack.images]))


def _known(index: Index, pack: Pack) -> list[list[str]]:
    """What T_vqa said of an index's images, in the index's order."""
    said = {path.resolve(): texts for path, texts in zip(pack.images, pack.subtexts, strict=True)}
    return [said.get(path.resolve(), []) for path in index.paths]


def _examples(pack: Pack) -> list[str]:
    """Short captions from all over the pack."""
    short = [text for text in pack.captions if len(text) <= SHORT] or [min(pack.captions, key=len)]
    return short[:: max(1, len(short) // len(EXAMPLES))][: len(EXAMPLES)]


def _mind(places: Places) -> Mind:
    evidence = shipped_judge(places.models, "evidence")
    chosen = read_chosen("thi", [places.models / name for name in chosen_names("thi")])
    return Mind(replace(evidence, way="thi", chosen=chosen), evidence, f"ICL ({places.models.name}) and its MLLM")


def _warm(site: Site) -> None:
    """The first question takes longest: nobody is to wait for it."""
    site.gallery.similarities(site.examples[0])
    if site.mind is not None:
        site.mind.shares(site.examples[0], site.gallery.paths[:1])


def listening(port: int) -> socket.socket:
    """A socket on loopback; port 0: any free one.

    Raises:
        InputError: the port is taken or may not be used.
    """
    own = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    own.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        own.bind((ADDRESS, port))
    except (OSError, OverflowError) as error:
        own.close()
        found = getattr(error, "strerror", None) or "no number of a port"
        raise InputError(f"port {port}", found.lower(), "a free port", "Give another one: --port 8080.") from error
    own.listen(128)  # now already, so that one can reload while the models are read
    return own
