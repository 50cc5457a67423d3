"""Where a result came from: versions, code, machine, configuration, prompts."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
import platform
import subprocess
from pathlib import Path

from icl.fields import to_mapping
from icl.mllm.prompts import prompt_hashes
from icl.workflow.settings import Settings

PACKAGES = (
    "torch torchvision transformers tokenizers peft safetensors numpy scipy scikit-learn pandas pyarrow "
    "pillow snakemake matplotlib"
).split()
_HOUSE = Path(__file__).resolve().parent


def provenance(settings: Settings, extra: dict | None = None) -> dict:
    """Everything that a reader needs to trace a table back to code, configuration and machine."""
    mapping = to_mapping(settings)
    return {
        "config": mapping,
        "config_sha256": digest(mapping),
        "code": code_version(),
        "python": platform.python_version(),
        "packages": {name: package_version(name) for name in PACKAGES},
        "machine": machine(),
        "prompts_sha256": prompt_hashes(),
        **(extra or {}),
    }


def digest(mapping: object) -> str:
    """sha256 of a JSON value, independent of the order of keys."""
    return hashlib.sha256(json.dumps(mapping, sort_keys=True).encode()).hexdigest()


def package_version(name: str) -> str | None:
    """Installed version of a distribution, None where it is absent."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def code_version() -> dict:
    """Git commit and whether the working tree differs from it; both None outside a repository."""
    commit = _git("rev-parse", "HEAD")
    changes = _git("status", "--porcelain", "--untracked-files=no")
    return {"commit": commit, "dirty": None if changes is None else bool(changes)}


def machine() -> dict:
    """CPU model, cores that this process may use, operating system; no host or user name."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {"cpu": _cpu_model(), "cores": cores, "system": platform.system()}


def _git(*words: str) -> str | None:
    try:
        done = subprocess.run(["git", *words], cwd=_HOUSE, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "unknown")
