"""ICFG-PEDES."""

from icl.data.layouts.base import BY_MAIL, Layout

ICFG_PEDES = Layout(
    title="ICFG-PEDES",
    version="ICFG-PEDES.json",
    source=(
        "Ding et al., Semantically Self-Aligned Network for Text-to-Image Part-aware Person Re-identification, 2021"
    ),
    files=("ICFG-PEDES.json", "ICFG_PEDES.json"),
    images="imgs",
    identities=(3102, 0, 1000),
    images_count=(34674, 0, 19848),
    captions=(34674, 0, 19848),
    stated="54,522 images, 4,102 identities, 37.2 words a text",
    access=(
        f"{BY_MAIL} (https://github.com/zifyloo/SSAN names the address)",
        "Get MSMT17's images, whose folders it uses",
    ),
)
