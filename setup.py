"""What pyproject.toml cannot say: a wheel also holds the workflow, so that it runs where there is no clone."""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

HOME = ("Snakefile", "rules", "workflow", "workflow_scripts", "config", "profiles", "report", "models", "LICENSE")
"""Files and folders of the clone that a wheel holds as icl/_home, where `icl/home.py` looks for them."""


class BuildWithWorkflow(build_py):
    """The package, and beside it in a wheel the files of `HOME`; an editable installation finds them in the clone."""

    def run(self) -> None:
        super().run()
        if self.editable_mode:
            return
        out = Path(self.build_lib) / "icl" / "_home"
        shutil.rmtree(out, ignore_errors=True)
        for name in HOME:
            if Path(name).is_dir():
                shutil.copytree(name, out / name, ignore=shutil.ignore_patterns("__pycache__", "*.pyc"))
            else:
                out.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(name, out / name)


setup(cmdclass={"build_py": BuildWithWorkflow})
