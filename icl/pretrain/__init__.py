"""Pre-training of the small models that stand where CLIP ViT-B/16 and Qwen2-VL-7B-Instruct stand at paper scale."""

from __future__ import annotations

import time
from pathlib import Path

from icl.pretrain.settings import PretrainSettings


def pretrain(name: str, settings: PretrainSettings, work: Path, out: Path) -> None:
    """Train `synthclip` or `synthvl` into `out`, with a model card of what was measured.

    Args:
        work: folder for finished stages, from which an interrupted run resumes.
    """
    from icl.pretrain.cards import write_card
    from icl.pretrain.quality import measure_synthclip, measure_synthvl
    from icl.pretrain.synthclip import pretrain_synthclip
    from icl.pretrain.synthvl import pretrain_synthvl

    train, measure = {
        "synthclip": (pretrain_synthclip, measure_synthclip),
        "synthvl": (pretrain_synthvl, measure_synthvl),
    }[name]
    start = time.time()
    train(settings, work, out)
    write_card(name, settings, out, measure(out, settings, work), time.time() - start)
