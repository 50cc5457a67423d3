"""The export of a table's answers holds those of its rows and models, and no leftovers."""

import json
import tarfile

from icl.workflow.answers import current, export, patterns
from icl.workflow.config import load_settings

DATA = {"generator": "synth", "train_identities": 4, "val_identities": 2, "test_identities": 2}


def line(**row):
    return json.dumps(row).encode()


def test_only_the_files_of_the_configurations_rows_are_packed(tmp_path):
    settings = load_settings({"datasets": {"mine": DATA}, "methods": ["ICL+THI", "ICL+Yes"], "seeds": [2]})
    wanted = (
        "augment-mine/augment-mine-0-of-2.jsonl",
        "mine-val/choose_parameters-thi-rda-lora-seed2.jsonl",
        "mine-rda-lora-seed2-test/rerank-thi-rda-lora-seed2.jsonl",
        "mine-rda-lora-seed2-test/rerank-evidence-rda-lora-seed2.jsonl",
        "judge-seed2-base/evaluate_judge.jsonl",
        "judge-seed2-lora/evaluate_judge.jsonl",
    )
    leftovers = (
        "mine-val/choose_parameters-thi-rda-base-seed2.jsonl",
        "mine-rda-lora-seed1-test/rerank-thi-rda-lora-seed1.jsonl",
        "mine-gallery/describe-mine-test.jsonl",
        "other-val/choose_parameters-thi-rda-lora-seed2.jsonl",
        "judge-seed1-base/evaluate_judge.jsonl",
    )
    for name in (*wanted, *leftovers):
        (tmp_path / "answers" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "answers" / name).write_bytes(line(key="k", task="vqa", answer={}) + b"\n")
    (tmp_path / "provenance.json").write_text("{}")
    export(tmp_path, patterns(settings), tmp_path / "answers.tar.gz")
    with tarfile.open(tmp_path / "answers.tar.gz") as archive:
        assert sorted(archive.getnames()) == sorted(
            ["answers/provenance.json", *(f"answers/{name}" for name in wanted)]
        )
        content = archive.extractfile(f"answers/{wanted[0]}").read()
    assert content == line(key="k", task="vqa", answer={}) + b"\n"


def test_answers_of_an_earlier_adapter_stay_behind_and_those_of_one_that_came_back_do_not():
    old, new = {"adapter": "1"}, {"adapter": "2"}
    lines = [
        line(task="vqa", identity=new),
        line(task="localise", identity=new),
        line(key="a", task="localise", answer={}),
        line(key="b", task="vqa", answer={}),
        line(task="localise", identity=old),
        line(key="c", task="localise", answer={}),
        b'{"key": "torn',
        line(task="localise", identity=new),
        line(key="d", task="localise", answer={}),
        line(questions={"vqa": 3}),
    ]
    assert [row.get("key") for row in map(json.loads, current(lines)) if "answer" in row] == ["a", "b", "d"]
