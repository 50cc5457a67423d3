"""Results files of anybody's, and the page that ranks them."""

import copy
import json

import numpy as np
import pytest

from icl.errors import InputError
from icl.publish.leaderboard import board, groups, main, page
from icl.publish.results_file import FORMAT, frame, read_results

QUERIES, IDENTITIES = 60, 20


def row(method, share, seed=1, cost=0.0, sees=False, draw=0):
    """A row whose Rank-1 is `share`; whole identities hit or miss."""
    hit = np.repeat(np.random.default_rng(draw).permutation(IDENTITIES) < share * IDENTITIES, QUERIES // IDENTITIES)
    values = {"first": np.where(hit, 1, 3).tolist(), "average_precision": np.where(hit, 0.9, 0.3).tolist()}
    values |= {"inp": np.where(hit, 0.8, 0.2).tolist(), "identity": np.repeat(np.arange(IDENTITIES), 3).tolist()}
    means = {"rank1": 100 * hit.mean(), "map": 100 * np.mean(values["average_precision"])}
    means |= {"minp": 100 * np.mean(values["inp"]), "rank5": 100.0, "rank10": 100.0}
    costs = {"questions": cost, "read_tokens": 60 * cost, "written_tokens": cost, "seconds": None}
    return {"benchmark": "one", "method": method, "seed": seed, "sees_target": sees, "metrics": means} | {
        "cost_per_query": costs,
        "per_query": values,
    }


def results(*rows, name="ours", test="abc"):
    machine = {"cpu": "<b>", "cores": 2}
    made = {"code": {"commit": "c0ffee", "dirty": False}, "config_sha256": "1234", "machine": machine}
    return {"format": FORMAT, "name": name, "rows": list(rows), "provenance": made} | {
        "benchmarks": {"one": {"version": "SynthPEDES 1.0 city (standard)", "test_sha256": test}}
    }


def test_rows_that_do_not_differ_are_one_group():
    lines = board(frame([results(row("A", 0.9), row("B", 0.85, cost=2), row("C", 0.1))]))
    assert [(line["group"], line["method"]) for line in lines] == [(1, "A"), (1, "B"), (2, "C")]
    assert lines[0]["Rank-1"] == "90.0" and lines[1]["questions"] == "2.0" and lines[0]["questions"] == "-"
    assert lines[0]["seconds"] == "unknown"


def test_equal_rows_tie_and_a_group_is_measured_from_its_first_row():
    same = [np.ones(QUERIES), np.ones(QUERIES)]
    assert groups(same, np.arange(QUERIES)) == [1, 1]
    steps = [np.arange(QUERIES) < share * QUERIES for share in (1.0, 0.95, 0.9, 0.85, 0.8)]
    found = groups([step.astype(float) for step in steps], np.arange(QUERIES))
    assert found[0] == 1 and found[-1] > 1 and found == sorted(found)


def test_seeds_of_a_row_are_one_line_and_files_with_other_queries_are_apart():
    own = results(row("A", 0.5, seed=1), row("A", 0.7, seed=2, draw=1))
    other = results(row("A", 0.9), name="theirs", test="def")
    lines = board(frame([own]))
    assert len(lines) == 1 and lines[0]["seeds"] == 2 and lines[0]["Rank-1"] == "60.0"
    text = page([own, other])
    assert text.count("<h2>SynthPEDES") == 2 and "test split def" in text


def test_the_page_tells_who_sees_the_target_and_lets_no_markup_in(tmp_path):
    evil = results(row("<script>alert(1)</script>", 0.9, sees=True), name="<i>them</i>")
    (tmp_path / "a.json").write_text(json.dumps(evil))
    main([tmp_path / "a.json"], tmp_path / "out/page.html")
    text = (tmp_path / "out/page.html").read_text()
    assert "(sees the target)" in text and "<script>" not in text and "<i>them" not in text and "<b>" not in text


def broken():
    """(what is changed, words of the error)."""

    def changed(change):
        found = results(row("A", 0.5))
        change(found)
        return found

    first = lambda found: found["rows"][0]  # noqa: E731
    yield "a list", [1], "format list"
    yield "another format", changed(lambda f: f.update(format="x")), "format 'x'"
    yield "no rows", changed(lambda f: f.pop("rows")), "field rows"
    yield "an unknown benchmark", changed(lambda f: first(f).update(benchmark="two")), "KeyError: 'two'"
    yield "a metric that lies", changed(lambda f: first(f)["metrics"].update(rank1=99.0)), "rank1 99.0 is not the mean"
    yield "a short list", changed(lambda f: first(f)["per_query"]["inp"].pop()), "of one length"
    yield (
        "no queries",
        changed(lambda f: first(f).update(per_query=dict.fromkeys(first(f)["per_query"], []))),
        "a query",
    )
    yield "rank 0", changed(lambda f: first(f)["per_query"]["first"].__setitem__(0, 0)), "whole numbers from 1"
    yield "a share of 2", changed(lambda f: first(f)["per_query"]["inp"].__setitem__(0, 2.0)), "shares"
    yield "not a number", changed(lambda f: first(f)["per_query"]["inp"].__setitem__(0, float("nan"))), "shares"
    yield "a cost below 0", changed(lambda f: first(f)["cost_per_query"].update(questions=-1)), "questions -1"
    yield "a flag in words", changed(lambda f: first(f).update(sees_target="no")), "true or false"
    yield "a row that is a text", changed(lambda f: f.update(rows=["A"])), "row 0"


@pytest.mark.parametrize(
    "name, content, words", list(broken()), ids=lambda value: value if isinstance(value, str) else ""
)
def test_a_file_that_is_none_is_refused_in_words(tmp_path, name, content, words):
    path = tmp_path / "r.json"
    path.write_text(json.dumps(content))
    with pytest.raises(InputError) as found:
        read_results(path)
    assert str(path) in str(found.value) and words in str(found.value)


def test_a_missing_or_broken_file_is_refused_in_words(tmp_path):
    for path, text in ((tmp_path / "none.json", None), (tmp_path / "half.json", '{"format"')):
        if text:
            path.write_text(text)
        with pytest.raises(InputError, match="no readable JSON"):
            read_results(path)


def test_the_same_split_with_other_identities_is_refused():
    own, other = results(row("A", 0.5)), copy.deepcopy(results(row("B", 0.5)))
    other["rows"][0]["per_query"]["identity"].reverse()
    with pytest.raises(InputError, match="identities of other queries"):
        board(frame([own, other]))
