"""What every start of the workflow imports: each job and each dry run waits for it."""

import re
import subprocess
import sys

from running import HOUSE

HEAVY = ("torch", "transformers", "peft", "matplotlib", "sklearn", "scipy", "fastapi")


def test_the_snakefiles_own_imports_bring_no_heavy_library():
    lines = re.findall(r"^(?:from icl|import icl|from _)\S* import .+$", (HOUSE / "Snakefile").read_text(), re.M)
    assert len(lines) > 8
    code = "\n".join(["import sys", "sys.path.insert(0, 'workflow_scripts')", *lines])
    code += f"\nprint(*[name for name in {HEAVY} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=HOUSE, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.split() == []
