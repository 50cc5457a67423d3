"""Where the reference vectors lie, and reading them."""

import json
import os
from pathlib import Path

import numpy as np

GOLDEN = Path(os.environ.get("ICL_GOLDEN") or Path(__file__).parent / "vectors")
"""The folder that ships with the tests, or another one of the same form."""
WEIGHTS = GOLDEN / "rde_weights.npz"
"""The published model's weights (3.6 MB) are not shipped; what needs them is skipped without."""


def load(name: str):
    return json.loads((GOLDEN / f"{name}.json").read_text()), np.load(GOLDEN / f"{name}.npz")
