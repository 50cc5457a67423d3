"""What a configuration asks for, and which settings each stage depends on."""

import dataclasses

import pytest

from icl.errors import InputError
from icl.workflow import names, paths, rows, stages, timed
from icl.workflow.config import load_settings

GENERATED = {"generator": "synth", "train_identities": 4, "val_identities": 2, "test_identities": 2}
FINE = {"root": "data/u", "layout": "ufine6926", "text_length": 168, "xi": 0.5}


def settings(**changes):
    return load_settings({"datasets": {"a": GENERATED, "u": FINE}, **changes})


def test_each_line_of_the_table_once_and_shared_work_once():
    s = settings(seeds=[1, 2])
    assert len(rows.rows(s)) == 2 * 8 * 2
    assert len(rows.metric_files(s)) == 2 * 2 * 2
    assert len(rows.reranked_folders(s)) == 2 * 6 * 2
    assert len(rows.reranked_folders(s, "thi")) == 2 * 3 * 2
    assert rows.judge_files(s) == ["lora/seed1/evaluation.json", "lora/seed2/evaluation.json"]


def test_every_reranking_is_timed_once():
    s = settings(seeds=[1, 2], methods=["ICL", "RDE+THI", "ICL+THI (no LoRA)", "ICL+k-reciprocal"])
    own, others = (timed.timed_rows(s, table, "a", 2) for table in timed.TABLES)
    mine = {name for name in rows.reranked_folders(s) if "/a/" in name and "seed2" in name}
    assert {row["folder"] for row in own} == mine
    every = {row.folder("a", 2) for row in rows.ROWS.values() if row.way}
    assert {row["folder"] for row in own + others} == every and len(own + others) == len(every)
    assert [(row["judge"], row["queries"]) for row in own] == [("base", 48), ("lora", 48), ("none", None)], (
        "whole: k-reciprocal"
    )
    assert timed.timing_files(s, "table") == [f"timing/{d}/seed{n}/table.json" for d in "au" for n in (1, 2)]
    assert timed.timing_files(settings(methods=list(rows.ROWS)), "beyond") == [], "no row is left for it"
    assert timed.timing_files(settings(methods=["RDE"]), "table") == []
    opened = timed.timed_files(s, "table", "a", 2)
    assert len(opened) == len(set(opened)) and "results/thi/a/rde/lora/seed2/chosen.json" in opened


def test_nothing_of_lora_without_a_row_that_needs_it():
    assert rows.judge_files(settings(methods=["RDE", "ICL+THI (no LoRA)"])) == []
    assert paths.adapter_file(settings(), "base", "1") == []
    served = settings(mllm={"backend": "ollama", "adapter_model": "mine"})
    assert paths.adapter_file(settings(), "lora", "1") and paths.adapter_file(served, "lora", "1") == []


def test_a_benchmark_without_val_takes_its_last_epoch_and_its_own_text_length():
    part = stages.retriever_part(settings(), "u", "rda")
    assert (part["selection"], part["text_length"]) == ("last", 168)
    assert names.splits(settings(), "u", "rde") == ["train", "test"]
    assert names.splits(settings(), "a", "rda") == ["val", "test"]


def test_ccds_automatic_variant_follows_the_published_rule():
    """Strict for RSTPReid, and where more than 40 % of the captions are noise."""
    s = settings(
        datasets={"c": {"root": "c"}, "r": {"root": "r", "layout": "rstpreid"}}, retriever={"ccd_variant": "auto"}
    )
    variants = {
        (d, m): stages.retriever_part(s, d, m)["ccd_variant"]
        for d in "cr"
        for m in ("rde", "rde-noise20", "rde-noise50")
    }
    assert [variants["c", m] for m in ("rde", "rde-noise20", "rde-noise50")] == ["default", "default", "strict"]
    assert variants["r", "rde"] == "strict"
    told = settings(retriever={"ccd_variant": "strict"})
    assert stages.retriever_part(told, "a", "rde")["ccd_variant"] == "strict"


def test_a_stage_depends_only_on_its_own_settings():
    s = settings()
    other = dataclasses.replace(
        s,
        thi=dataclasses.replace(s.thi, lambda_=0.5, timing_queries=3),
        sft=dataclasses.replace(s.sft, lr=0.1),
        retriever=dataclasses.replace(s.retriever, rda_gamma_floor=0.3),
    )
    assert stages.retriever_part(s, "a", "rde") == stages.retriever_part(other, "a", "rde")
    assert stages.retriever_part(s, "a", "rda") != stages.retriever_part(other, "a", "rda")
    assert stages.benchmark_part(s, "a") == stages.benchmark_part(other, "a")
    assert all(stages.mllm_part(s, kind) == stages.mllm_part(other, kind) for kind in stages.MLLM_KEYS)
    assert stages.lora_part(s) != stages.lora_part(other)
    assert "timing_queries" not in stages.way_part(s, "thi")["thi"]


def test_the_noise_study_changes_the_rate_and_the_variant_only():
    every = ["tal", "noccd", "trl", "infonce", "sdm"]
    s = load_settings({"datasets": {"mine": GENERATED}, "noise_study": [0.2, 0.5], "noise_variants": every})
    found = names.noise_methods(s)
    assert list(found)[:6] == [
        "rde-noise20",
        "rde-noise20-noccd",
        "rde-noise20-trl",
        "rde-noise20-infonce",
        "rde-noise20-sdm",
        "rde-noise50",
    ]
    plain = stages.retriever_part(s, "mine", "rde")
    changes = {"tal": {}, "noccd": {"ccd": False}} | {loss: {"loss": loss} for loss in every[2:]}
    for method, (rate, variant) in found.items():
        noisy = stages.retriever_part(s, "mine", method)
        wanted = {"noise_rate": rate, "watch_test": True, **changes[variant]}
        assert {k: v for k, v in noisy.items() if plain[k] != v} == wanted, method
    assert len(names.noise_methods(load_settings({"datasets": {"mine": GENERATED}}))) == 2


def test_given_retrievers_have_two_rows_each_and_come_last():
    given = {"Mine": {"kind": "scores", "source": "x/{dataset}", "judge": "base"}}
    s = load_settings({"datasets": {"mine": GENERATED}, "retrievers": given})
    assert list(rows.methods(s))[-2:] == ["Mine", "Mine+THI"]
    assert names.given_source(s, "mine", "Mine") == "x/mine"
    assert paths.retriever_weights(s, "mine", "Mine", "1") == []
    with pytest.raises(InputError, match="no scores of split"):
        paths.score_files(s, "mine", "Mine")


def test_names_that_are_taken_are_refused():
    with pytest.raises(InputError, match="retrievers.rde"):
        load_settings({"datasets": {"mine": GENERATED}, "retrievers": {"rde": {"source": "x"}}})
    with pytest.raises(InputError, match="retriever.watch_test"):
        load_settings({"datasets": {"mine": GENERATED}, "retriever": {"selection": "best-test"}})
    with pytest.raises(InputError, match="datasets.mine.download"):
        load_settings({"datasets": {"mine": {"root": "x", "layout": "icfg-pedes", "download": True, "xi": 0.5}}})


def test_a_transferred_retriever_is_its_sources_and_brings_its_threshold():
    s = settings(seeds=[1], methods=["RDE"])
    found = rows.transfers(s)
    assert len(found) == 2 * 2 * 3 and len(set(rows.transfer_files(s))) == len(found)
    moved = {(source, target, m): row for source, target, m, row, _ in found}
    assert moved["a", "u", "ICL"].retriever == "rda-from-a" and moved["u", "u", "ICL"].retriever == "rda"
    weights = "results/retriever/a/rda/seed1/model.safetensors"
    assert paths.retriever_weights(s, "u", "rda-from-a", "1") == [weights]
    assert names.splits(s, "a", "rda-from-u") == ["test"]
    # "u" fixes its threshold in the configuration; "a" has none, so what comes from "u" keeps that of "u"
    chosen = lambda way, *on: paths.chosen_files(s, way, *on, "lora", "1")  # noqa: E731
    assert chosen("thi", "u", "rda-from-a") == ["results/thi/u/rda-from-a/lora/seed1/chosen.json"]
    assert chosen("thi", "a", "rda-from-u") == ["results/thi/u/rda/lora/seed1/chosen.json"]
    # a way brings what it builds on, and only what has parameters has a file
    both = ["results/captions/a/rda/none/seed1/chosen.json", "results/captionsevidence/a/rda/lora/seed1/chosen.json"]
    assert chosen("captionsevidence", "u", "rda-from-a") == both
    assert paths.taken_files(s, "captionsevidence", "a", "rda", "lora", "1") == both[:1]
    assert (
        chosen("anchors", "a", "rda") == ["results/thi/a/rda/lora/seed1/chosen.json"]
        and chosen("yes", "a", "rda") == []
    )
    assert rows.transfers(load_settings({"datasets": {"a": GENERATED}})) == []


def test_a_benchmark_of_the_generalisation_tables_has_no_rows_of_its_own():
    s = load_settings({"datasets": {"a": GENERATED, "b": {**GENERATED, "table": False}}})
    assert {line[0] for line in rows.rows(s)} == {"a"} and {line[1] for line in rows.transfers(s)} == {"a", "b"}
