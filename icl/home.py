"""Where the workflow's own files lie: Snakefile, rules, scripts, configuration and shipped models.

In a clone they stand beside the package; in an installed wheel (`setup.py`) inside it. `python -m icl.home` prints the path of
the Snakefile, so that `snakemake -s "$(python -m icl.home)"` runs the workflow from any folder.
"""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent
_CLONE, _INSTALLED = _PACKAGE.parent, _PACKAGE / "_home"
HOME = _INSTALLED if _INSTALLED.is_dir() else _CLONE

if __name__ == "__main__":
    print(HOME / "Snakefile")
