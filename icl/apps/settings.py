"""Settings of the applications."""

from __future__ import annotations

from dataclasses import dataclass

from icl.fields import setting

WAYS_TO_SEARCH = ("evidence", "captionsevidence", "thi", "none")
"""Ways of `icl.rerank.ways` that need no other queries, and none."""


@dataclass(frozen=True)
class SearchSettings:
    """Targets `index` and `search`: encode one's own image folder, and rank it for a text."""

    query: str = setting("", "Description of the person to look for.")
    gallery: str = setting(
        "",
        "Folder of images. Target index without one: the first benchmark's test images, where the workflow draws them.",
    )
    way: str = setting(
        "evidence",
        "How the MLLM re-ranks: evidence, captionsevidence (it describes every image of the gallery first, once), thi (the "
        "paper's interaction), or none: by the retriever alone.",
        choices=WAYS_TO_SEARCH,
    )
    models: str = setting(
        "auto",
        "Which retriever, adapter and xi answer: shipped (models/synthpedes-icl), run (trained by this configuration, where "
        "they are not there yet), or auto: the shipped ones where this configuration trains the same, its own otherwise.",
        choices=("auto", "shipped", "run"),
    )
