"""Settings of the applications."""

from __future__ import annotations

from dataclasses import dataclass

from icl.fields import setting


@dataclass(frozen=True)
class SearchSettings:
    """Target `search`: rank one's own image folder for a text."""

    query: str = setting("", "Description of the person to look for.")
    gallery: str = setting("", "Folder of images.")
    thi: bool = setting(True, "Interact with the MLLM; false ranks by the retriever alone.")
    models: str = setting(
        "auto",
        "Which retriever, adapter and xi answer: shipped (models/synthpedes-icl), run (trained by this configuration, where "
        "they are not there yet), or auto: the shipped ones where this configuration trains the same, its own otherwise.",
        choices=("auto", "shipped", "run"),
    )
