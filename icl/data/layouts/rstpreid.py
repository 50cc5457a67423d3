"""RSTPReid."""

from icl.data.layouts.base import Layout

RSTPREID = Layout(
    title="RSTPReid",
    version="data_captions.json, split 3701/200/200",
    source="Zhu et al., DSSL: Deep Surroundings-person Separation Learning, ACM MM 2021",
    files=("data_captions.json",),
    images="imgs",
    identities=(3701, 200, 200),
    images_count=(18505, 1000, 1000),
    captions=(37010, 2000, 2000),
    stated="20,505 images, 4,101 identities, 26.5 words a text",
    access=(
        "Download it from the owners' Google Drive (https://github.com/NjtechCVLab/RSTPReid-Dataset links to it), or set "
        "`download: true` for the benchmark",
    ),
    path_field="img_path",
    drive_id="1mngN3jZz4BI6PyGNZMKsvRR9JbvLSlg9",
    superseded=(3901, 100, 100),
)
