"""UFine6926."""

from icl.data.layouts.base import Layout

UFINE6926 = Layout(
    title="UFine6926",
    version="UFine6926_Annotations_1024.json",
    source="Zuo et al., UFineBench, CVPR 2024",
    files=("UFine6926_Annotations_1024.json",),
    images="",
    identities=(4926, 0, 2000),
    images_count=(18577, 0, 7629),
    captions=(37154, 0, 15258),
    stated="26,206 images, 6,926 identities, 80.8 words a text",
    access=(
        "Sign the licence form of UFineBench (https://github.com/Zplusdragon/UFineBench) and send it to the owners (no "
        "redistribution, no commercial use)",
    ),
    confirmed=False,
)
