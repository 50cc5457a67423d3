"""No failure removes a finished output: until its new version is finished too, a link keeps the old one.

Snakemake removes a job's outputs before the job begins, and again where it fails.
"""

import atexit
import json
import os
import shutil
import sys
from pathlib import Path

from snakemake.persistence import MetadataRecord
from snakemake.persistence.file import FilePersistence

NAME = ".kept"


def keep(jobs, results: str) -> None:
    """Link the finished outputs of the jobs that are about to run; what of them is not replaced comes back at the end.

    Args:
        jobs: Snakemake's jobs.
    """
    put_back(results)
    folder, records = Path(results).absolute() / NAME, FilePersistence()
    shutil.rmtree(folder, ignore_errors=True)
    kept = []
    for number, job in enumerate(jobs):
        outputs = [str(name) for name in job.output if not name.is_storage]
        if records._filter_incomplete_keys(outputs):
            continue  # a killed job's: half-written
        entry = {name: None for name in outputs}
        for place, name in enumerate(outputs):
            if os.path.exists(name):
                copy, record = folder / f"{number}-{place}", records._read_record(name)
                _link(Path(name), copy)
                entry[name] = {"copy": copy.name, "record": record and record.model_dump()}
        if any(entry.values()):
            kept.append(entry)
    if kept:
        (folder / "part").write_text(json.dumps(kept))
        (folder / "part").replace(folder / "jobs.json")  # from here on there is something to put back
        atexit.register(put_back, folder.parent, Path.cwd())


def put_back(results: str | Path, workdir: Path = Path()) -> None:
    """Restore the outputs of jobs that began and did not end well, with what Snakemake knew about them; forget the others.

    Args:
        workdir: folder that Snakemake works in, and has left again at this process' end.
    """
    folder = Path(results) / NAME
    if not (folder / "jobs.json").exists():
        return
    records, back = FilePersistence(path=workdir / ".snakemake"), []
    for entry in json.loads((folder / "jobs.json").read_text()):
        marked = records._filter_incomplete_keys(entry)
        whole = all((workdir / name).exists() for name in entry)
        if not marked and (whole or _untouched(entry, folder, workdir)):
            continue  # finished anew, or never begun
        for name, old in entry.items():
            if old:
                _restore(folder / old["copy"], workdir / name)
                if old["record"]:
                    records._write_record(name, MetadataRecord.model_validate(old["record"]))
                else:
                    records._delete_record(name)
                records._unmark_incomplete(name)
                back.append(name)
    shutil.rmtree(folder)
    if back:
        print(f"Kept as before, since what was to replace it did not finish: {', '.join(back)}", file=sys.stderr)


def _untouched(entry: dict, folder: Path, workdir: Path) -> bool:
    return all(old is None or _same(folder / old["copy"], workdir / name) for name, old in entry.items())


def _same(copy: Path, now: Path) -> bool:
    if copy.is_dir():
        return now.is_dir() and all(_same(path, now / path.name) for path in copy.iterdir())
    if not now.is_file():
        return False
    one, other = copy.stat(), now.stat()
    return (one.st_size, one.st_mtime_ns) == (other.st_size, other.st_mtime_ns)


def _restore(copy: Path, now: Path) -> None:
    fresh = now.with_name(f"{now.name}.kept")
    _remove(fresh)
    _link(copy, fresh)
    if now.is_dir():
        _remove(now)
    fresh.replace(now)
    _remove(fresh)  # still there where both were links to one file


def _remove(path: Path) -> None:
    shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


def _link(one: Path, other: Path) -> None:
    """Hard links, which take no space and keep the times; copies where the file system has none."""
    other.parent.mkdir(parents=True, exist_ok=True)
    if one.is_dir():
        shutil.copytree(one, other, copy_function=_link_file)
    else:
        _link_file(one, other)


def _link_file(one, other, follow_symlinks=True) -> None:
    try:
        os.link(one, other)
    except OSError:
        shutil.copy2(one, other)
