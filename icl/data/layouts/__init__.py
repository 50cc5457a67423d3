"""The layouts of the public benchmarks: what they hold, where they come from, how one gets them. One file a layout.

This package knows neither pandas nor a benchmark's files, so that the workflow may read it at every start.
"""

from __future__ import annotations

from icl.data.layouts.base import Layout
from icl.data.layouts.cuhk_pedes import CUHK_PEDES
from icl.data.layouts.icfg_pedes import ICFG_PEDES
from icl.data.layouts.rstpreid import RSTPREID
from icl.data.layouts.ufine6926 import UFINE6926
from icl.registry import Registry

LAYOUTS: Registry[Layout] = Registry(
    "datasets.*.layout",
    "icl.layouts",
    {"cuhk-pedes": CUHK_PEDES, "icfg-pedes": ICFG_PEDES, "rstpreid": RSTPREID, "ufine6926": UFINE6926},
    Layout,
)
