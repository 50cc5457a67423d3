"""The built wheel, installed where there is no clone: the package, its files, the shipped models and the workflow."""

import os
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest
from documents import fresh_copy, known_files
from running import HOUSE, jobs

pytestmark = pytest.mark.slow
HOME = ("Snakefile", "rules/", "workflow/", "workflow_scripts/", "config/", "profiles/", "report/", "models/")


@pytest.fixture(scope="module")
def files():
    return [name for name in known_files() if (HOUSE / name).is_file()]


@pytest.fixture(scope="module")
def wheel(files, tmp_path_factory):
    """Built by way of the source archive, as a release is."""
    clone, out = fresh_copy(tmp_path_factory.mktemp("source"), files), tmp_path_factory.mktemp("dist")
    call = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(out), str(clone)]
    done = subprocess.run(call, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return next(out.glob("*.whl"))


@pytest.fixture(scope="module")
def python(wheel, tmp_path_factory):
    """An interpreter of an empty environment that holds the wheel, and sees the locked packages but not their `icl`."""
    folder = tmp_path_factory.mktemp("empty")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True, timeout=120)
    packages = str(folder / "lib" / f"python{sysconfig.get_python_version()}" / "site-packages")
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--target", packages]
    subprocess.run([*install, str(wheel)], check=True, timeout=120)
    return folder / "bin" / "python"


def run(python: Path, folder: Path, *words: str) -> subprocess.CompletedProcess:
    environment = {**os.environ, "PYTHONPATH": sysconfig.get_path("purelib")}  # its .pth files are not read from there
    call = [str(python), *words]
    return subprocess.run(call, cwd=folder, env=environment, capture_output=True, text=True, timeout=900)


def snakemake(python: Path, folder: Path, *words: str) -> subprocess.CompletedProcess:
    snakefile = run(python, folder, "-m", "icl.home").stdout.strip()
    config = str(Path(snakefile).parent / "config" / "smoke.yaml")
    call = ("-m", "snakemake", "results/smoke/table.csv", "-s", snakefile, "--cores", "2", "--configfile", config)
    return run(python, folder, *call, *words)


def test_the_wheel_holds_every_file_of_the_package_and_of_the_workflow(wheel, files):
    held = set(zipfile.ZipFile(wheel).namelist())
    wanted = {
        name if name.startswith("icl/") else f"icl/_home/{name}" for name in files if name.startswith(("icl/", *HOME))
    }
    assert wanted - held == set() and "icl/py.typed" in wanted
    assert not [name for name in held if name.startswith(("tests", "docs")) or "__pycache__" in name]


def test_the_package_and_its_models_are_found_without_a_clone(python, tmp_path):
    code = (
        "import icl, icl.apps.search; from icl.apps.shipped import SHIPPED; from icl.mllm.prompts import load_prompt\n"
        "assert load_prompt('vqa') and (SHIPPED / 'model.safetensors').is_file(), SHIPPED\n"
        "print(icl.__file__)"
    )
    done = run(python, tmp_path, "-c", code)
    assert done.returncode == 0, done.stderr
    assert Path(done.stdout.strip()).is_relative_to(python.parents[1]), "the clone answered instead of the wheel"


def test_the_whole_smoke_run_is_planned_from_an_empty_folder(python, tmp_path):
    done = snakemake(python, tmp_path, "-n")
    found = jobs(done)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    assert found["train_retriever"] == 2 and found["rerank"] == 6


@pytest.mark.long
def test_the_smoke_run_ends_with_its_table(python, tmp_path):
    done = snakemake(python, tmp_path)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    assert (tmp_path / "results" / "smoke" / "table.csv").read_text().count("\n") > 5
