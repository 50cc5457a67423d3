"""CUHK-PEDES."""

from icl.data.layouts.base import BY_MAIL, Layout

CUHK_PEDES = Layout(
    title="CUHK-PEDES",
    version="reid_raw.json",
    source="Li et al., Person Search with Natural Language Description, CVPR 2017",
    files=("reid_raw.json",),
    images="imgs",
    identities=(11003, 1000, 1000),
    images_count=(34054, 3078, 3074),
    captions=(68126, 6158, 6156),
    stated="40,206 images, 80,412 texts (the files hold 28 more), 13,003 identities, 23.5 words a text",
    access=(
        f"{BY_MAIL} (https://github.com/ShuangLI59/Person-Search-with-Natural-Language-Description names the address)",
    ),
)
