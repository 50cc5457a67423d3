"""What is put back of a run's outputs, by what became of its jobs."""

import os
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from running import HOUSE
from snakemake.persistence import MetadataRecord
from snakemake.persistence.file import FilePersistence

sys.path.insert(0, str(HOUSE / "workflow_scripts"))

import _kept  # noqa: E402


class Output(str):
    is_storage = False


@pytest.fixture(params=["links", "copies"])
def place(tmp_path, monkeypatch, request):
    """A job with a finished file and a finished folder, kept; with hard links, and on a file system that has none."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(_kept.atexit, "register", lambda *_: None)
    if request.param == "copies":

        def refuse(*_, **__):
            raise OSError("no links here")

        monkeypatch.setattr(_kept.os, "link", refuse)
    Path("out/folder/deep").mkdir(parents=True)
    for name in ("out/file", "out/folder/deep/a", "out/folder/.snakemake_timestamp"):
        Path(name).write_text("old")
        os.utime(name, (1000, 1000))
    records = FilePersistence()
    for name in ("out/file", "out/folder"):
        records._write_record(name, MetadataRecord(rule="r", params=["old"], record_format_version=6))
    jobs = [SimpleNamespace(output=[Output("out/file"), Output("out/folder")]), SimpleNamespace(output=[])]
    _kept.keep(jobs, "results")
    return records


def begin(records):
    """What Snakemake does as a job begins."""
    for name in ("out/file", "out/folder"):
        _kept._remove(Path(name))
        records._mark_incomplete(name, None)


def write(records):
    Path("out/file").write_text("new")
    Path("out/folder").mkdir()
    Path("out/folder/b").write_text("new")
    for name in ("out/file", "out/folder"):
        records._write_record(name, MetadataRecord(rule="r", params=["new"], record_format_version=6))


def finish(records):
    for name in ("out/file", "out/folder"):
        records._unmark_incomplete(name)


def state(params):
    records = FilePersistence()
    names = ("out/file", "out/folder")
    assert not records._filter_incomplete_keys(names) and not Path("results/.kept").exists()
    assert [records._read_record(name).params for name in names] == [[params]] * 2
    return sorted((str(p), p.read_text(), p.stat().st_mtime == 1000) for p in Path("out").rglob("*") if p.is_file())


OLD = [(name, "old", True) for name in ("out/file", "out/folder/.snakemake_timestamp", "out/folder/deep/a")]
NEW = [("out/file", "new", False), ("out/folder/b", "new", False)]


def test_a_job_that_was_killed_half_way_leaves_the_old_outputs(place):
    begin(place)
    Path("out/file").write_text("half")
    _kept.put_back("results")
    assert state("old") == OLD


def test_a_job_that_failed_leaves_the_old_outputs_and_what_was_known_of_them(place):
    begin(place)
    write(place)
    finish(place)  # Snakemake notes the new params even so, and removes the outputs
    for name in ("out/file", "out/folder"):
        _kept._remove(Path(name))
    _kept.put_back("results")
    assert state("old") == OLD


def test_a_job_that_was_killed_at_its_end_leaves_the_old_outputs(place):
    begin(place)
    write(place)
    _kept.put_back("results")
    assert state("old") == OLD


def test_a_job_that_finished_leaves_the_new_ones(place):
    begin(place)
    write(place)
    finish(place)
    _kept.put_back("results")
    assert state("new") == NEW


def test_a_job_that_never_began_leaves_all_as_it_was(place):
    _kept.put_back("results")
    assert state("old") == OLD


def test_putting_back_can_itself_be_killed_and_goes_on_later(place, monkeypatch):
    begin(place)
    restore, done = _kept._restore, []

    def killed(copy, now):
        if done:
            raise KeyboardInterrupt
        done.append(now)
        restore(copy, now)

    monkeypatch.setattr(_kept, "_restore", killed)
    with pytest.raises(KeyboardInterrupt):
        _kept.put_back("results")
    monkeypatch.setattr(_kept, "_restore", restore)
    _kept.put_back("results")
    assert state("old") == OLD


def test_half_written_outputs_of_a_killed_job_are_not_kept(place):
    begin(place)
    Path("out/file").write_text("half")
    _kept.keep([SimpleNamespace(output=[Output("out/file"), Output("out/folder")])], "other")
    assert not Path("other/.kept").exists()


def test_where_nothing_was_kept_nothing_is_put_back(tmp_path):
    _kept.put_back(tmp_path / "never")
    assert not (tmp_path / "never").exists()
