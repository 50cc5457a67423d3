"""For each configuration key: which rules rerun, themselves, when it alone changes (what depends on them then follows)."""

from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml
from running import HOUSE, SMOKE, TARGETS, jobs, snakemake
from snakemake.api import SnakemakeApi
from snakemake.settings.types import ConfigSettings, OutputSettings, ResourceSettings

from icl.rerank.ways import WAYS
from icl.workflow.config import settings_schema

NOTHING = set()
TIMED = {"time_rerankings"}
THI = {"choose_parameters thi", "rerank thi", "sweeps"} | TIMED
ROUNDS = {"rerank anchors", "rerank firstyes"}
EVIDENCE = {
    f"{rule} {way}" for rule in ("choose_parameters", "rerank") for way in ("evidence", "captionsevidence")
} | TIMED
SEQUENTIAL = {"choose_parameters sequential", "rerank sequential"}
JUDGES = THI | ROUNDS | EVIDENCE | SEQUENTIAL | {"rerank yes", "evaluate_judge", "search", "gallery_sizes", "make_pack"}
TEXTS = THI | {"augment_shard", "describe_gallery", "search", "gallery_sizes", "make_pack"}
ASKS = JUDGES | TEXTS
ANSWERS = ASKS | {"finetune_lora", "merge_lora"}
CAPTIONS = {"choose_parameters captions", "rerank captions"}
DRAWN = {"benchmark", "check_frozen"}
TRAINS = {"train_retriever", "import_retriever"}
TABLES = {"table", "paper_tables", "transfer_tables", "report_page"}
ESTIMATE = {"estimate"}
"""It measures speed as the configuration is, so that every key of what it counts and asks matters to it."""

RERUNS = {
    "methods": TABLES | TIMED | {"beyond_tables", "export_answers", "results_file"},
    "seeds": TABLES
    | {
        "beyond_tables",
        "export_answers",
        "figure",
        "figure_calibration",
        "noise",
        "index",
        "search",
        "release",
        "make_pack",
        "results_file",
    },
    "results": "every path",
    "threads": NOTHING,
    "training_threads": NOTHING,
    "bootstrap": TABLES | {"beyond_tables", "human_table"},
    "noise_study": {"noise"},
    "noise_variants": {"noise"},
    "datasets.*.layout": {
        "benchmark",
        "check_frozen",
        "pairs",
        "table",
        "paper_tables",
        "transfer_tables",
        "report_page",
        "verify",
        "verify_benchmark",
    },
    "datasets.*.root": "another benchmark",
    "datasets.*.generator": "another benchmark",
    "datasets.*.domain": DRAWN,
    "datasets.*.table": "other rows",
    "datasets.*.fine_grained": TABLES,
    "datasets.*.download": "another benchmark",
    "datasets.*.download_url": NOTHING,
    "datasets.*.seed": DRAWN,
    "datasets.*.train_identities": DRAWN,
    "datasets.*.val_identities": DRAWN,
    "datasets.*.test_identities": DRAWN,
    "datasets.*.images_per_identity": DRAWN,
    "datasets.*.sft_pairs": {"sft_records"},
    "datasets.*.text_length": TRAINS,
    "datasets.*.xi": {"choose_parameters thi"},
    "retrievers.*.kind": "another retriever",
    "retrievers.*.source": "another retriever",
    "retrievers.*.judge": "another row",
    "retriever.*": TRAINS,
    "retriever.checkpoint": TRAINS,
    "retriever.piece": NOTHING,
    "retriever.rda_*": {"train_retriever"},
    "mllm.backend": ASKS,
    "mllm.model": ANSWERS | {"to_gguf"},
    "mllm.url": NOTHING,
    "mllm.revision": ASKS,
    "mllm.adapter_model": JUDGES,
    "mllm.concurrency": NOTHING,
    "mllm.timeout": NOTHING,
    "mllm.tries": NOTHING,
    "mllm.retry_seconds": NOTHING,
    "mllm.on_failure": NOTHING,
    "mllm.num_ctx": NOTHING,
    "mllm.keep_alive": NOTHING,
    "mllm.batch_size": NOTHING,
    "mllm.max_pixels": ANSWERS - {"merge_lora"},
    "mllm.precision": ANSWERS - {"merge_lora"},
    "mllm.reading": THI | ROUNDS | {"describe_gallery", "search", "gallery_sizes", "make_pack"},
    "mllm.adapter_tasks": JUDGES,
    "mllm.max_new_tokens_vqa": TEXTS,
    "mllm.max_new_tokens_text": TEXTS,
    "sft.*": {"finetune_lora"},
    "sft.negatives_top_k": {"mine_negatives"},
    "sft.piece": NOTHING,
    "sft.gradient_checkpointing": NOTHING,
    "rda.variants": {"augment_shard"},
    "rda.temperature": {"augment_shard"},
    "rda.seed": {"augment_shard"},
    "rda.shards": {"gather_augmentation"},  # before there are augmented captions; see the test below for after
    "rda.source": {"export_answers", "gather_augmentation"},
    "thi.rounds": THI | ROUNDS | {"bounds", "gallery_sizes", "make_pack"},
    "thi.lambda": THI | {"gallery_sizes", "make_pack"},
    "thi.xi_grid": THI | {"gallery_sizes"},
    "thi.yes_top_k": {"rerank yes", "bounds"} | TIMED,
    "thi.timing_queries": TIMED,
    "thi.timing_passes": TIMED,
    "rerank.evidence_top_k": EVIDENCE | SEQUENTIAL | {"bounds", "search", "gallery_sizes"},
    "rerank.beta": EVIDENCE | {"bounds", "search", "gallery_sizes"},
    "rerank.budget": SEQUENTIAL | {"gallery_sizes"},
    "rerank.margin": SEQUENTIAL | {"gallery_sizes"},
    "rerank.caption_weight": CAPTIONS,
    "search.query": {"search"},
    "search.*": {"index", "search"},
    "search.models": {"index", "search", "make_pack"},
    "human.*": {"make_pack"},
    "human.simulated": {"simulate_people"},
    "jobs.*": NOTHING,
    "pretrain.*": {"pretrain"},
    "pretrain.threads": NOTHING,
}
CHANGED = {
    "datasets.*.train_identities": 25,
    "datasets.*.val_identities": 13,
    "datasets.*.test_identities": 17,
    "retriever.image_height": 128,
    "retriever.image_width": 64,
    "retriever.checkpoint": "other",
    "retriever.selection": "last",
    "retriever.ccd_variant": "strict",
    "retriever.stretched_positions": "random",
    "retriever.noise_file": "index.npy",
    "mllm.backend": "ollama",
    "mllm.model": "other",
    "mllm.adapter_tasks": ["localise", "vqa"],
    "rda.source": "published/{dataset}.json",
    "noise_study": [0.2],
    "noise_variants": ["tal", "trl"],
    "seeds": [2],
    "methods": ["RDE", "ICL"],
    "datasets.*.layout": "rstpreid",
    "datasets.*.xi": 0.5,
    "datasets.*.text_length": 60,
    "search.gallery": "path/to/folder",
    "pretrain.vl_mixture_steps": [1, 2, 3],
}


def leaves(schema, path=""):
    """(key, its schema) of all keys; names of benchmarks and retrievers are `*`."""
    for name, part in schema["properties"].items():
        key = f"{path}{name}"
        if "properties" in part:
            yield from leaves(part, f"{key}.")
        elif isinstance(part.get("additionalProperties"), dict):
            yield from leaves(part["additionalProperties"], f"{key}.*.")
        else:
            yield key, part


KEYS = dict(leaves(settings_schema()))


def expected(key):
    """The line of the table that is nearest to a key."""
    group = f"{key.rsplit('.', 1)[0]}.*"
    if key.startswith("retriever.rda_"):
        return RERUNS["retriever.rda_*"]
    return RERUNS.get(key, RERUNS.get(group))


def other_value(key, schema):
    """A valid value that is not the default."""
    if key in CHANGED:
        return CHANGED[key]
    schema = {**schema, **next((s for s in schema.get("anyOf", []) if s["type"] != "null"), {})}
    default = schema.get("default")
    if choices := schema.get("enum") or schema.get("examples"):
        return next(value for value in choices if value != default)
    if schema["type"] == "boolean":
        return not default
    if schema["type"] == "string":
        return f"{default}x"
    step = 1 if schema["type"] == "integer" else 0.01
    value = (default or 0) + step
    return value if value <= schema.get("maximum", value) else default - step


def declared(config, folder):
    """Params and inputs of every rule under a configuration, functions evaluated on wildcards that stand for all."""
    found, fixed = (
        {},
        {
            "dataset": "tinypedes",
            "table": "table",
            "seed": "1",
            "shard": "0",
            "shards": "2",
            "name": "density",
            "model": "m",
        },
    )
    with SnakemakeApi(OutputSettings()) as api:
        workflow = api.workflow(
            resource_settings=ResourceSettings(cores=1),
            config_settings=ConfigSettings(configfiles=[HOUSE / "config" / "smoke.yaml"], config=config),
            snakefile=HOUSE / "Snakefile",
            workdir=folder,
        )._workflow
        for rule in (rule for rule in workflow.rules if rule.script):  # the others only name targets
            for method, judge in (("rda", "lora"), ("rde", "base")):
                if (rule.name, method) == ("import_retriever", "rda"):
                    continue  # a given retriever is none with RDA
                for way in WAYS if "way" in rule.wildcard_names else [""]:
                    if way and rule.name == "choose_parameters" and not WAYS[way].parameters:
                        continue
                    answerer = "none" if way and WAYS[way].judge == "none" else judge
                    wildcards = {**fixed, "method": method, "judge": answerer, "way": way, "split": "test"}
                    w = SimpleNamespace(**wildcards, get=lambda name, default=None: default)
                    parts = [(name, value) for kind in (rule.params, rule.input) for name, value in kind._allitems()]
                    told = [(n, value(w) if callable(value) else value) for n, value in _calls(parts, rule, method)]
                    found.setdefault(f"{rule.name} {way}".strip(), []).append(repr(told))
    return found


def _calls(parts, rule, method):
    given = ("import_retriever", "import_scores")  # their functions want a given retriever
    parts = [
        part for part in parts if (rule.name, part[0]) not in (("search", "asked"), ("index", "images"))
    ]  # want a folder
    return [(n, v) for n, v in parts if not (callable(v) and rule.name in given and n not in ("settings", "root"))]


@pytest.fixture(scope="module")
def before(tmp_path_factory):
    folder = tmp_path_factory.mktemp("reruns")
    for name in ("models", "config"):
        (folder / name).symlink_to(HOUSE / name)
    for name in ("other/model.safetensors", "index.npy", "published/tinypedes.json"):  # what changed values name
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).touch()
    return folder, declared({}, folder)


def test_every_key_has_a_line_in_the_table():
    assert [key for key in KEYS if expected(key) is None] == []


@pytest.mark.parametrize("key", [key for key in KEYS if not isinstance(expected(key), str)])
def test_a_key_reruns_what_it_can_change_and_nothing_else(key, before):
    folder, old = before
    config, value = {}, other_value(key, KEYS[key])
    names = ["tinypedes" if name == "*" else name for name in key.split(".")]
    if names[0] == "datasets":
        config = {"datasets": yaml.safe_load((HOUSE / "config/smoke.yaml").read_text())["datasets"]}
    if key == "jobs.training_nodes":
        config = {"jobs": {"training_processes": 2}}  # it cannot stand alone, and changes nothing either
    place = config
    for name in names[:-1]:
        place = place.setdefault(name, {})
    place[names[-1]] = value
    new = declared(config, folder)
    changed = {rule for rule in old if old[rule] != new.get(rule)} - ESTIMATE
    assert changed == expected(key), f"{key}: {value}"


@pytest.mark.slow
def test_a_finished_run_agrees(smoke):
    """The same in dry runs of a finished run: operational keys do nothing, the interval costs one table."""
    mllm = "mllm={timeout: 60, tries: 2, concurrency: 3, keep_alive: 1m, num_ctx: 512, batch_size: 7}"
    for change in (mllm, "rda={shards: 3}", "retriever={piece: 8}", "jobs={gpus: 1}"):
        done = snakemake(smoke, "-n", *TARGETS, *SMOKE, "--config", change)
        assert "Nothing to be done" in done.stdout + done.stderr, change
    assert jobs(snakemake(smoke, "-n", *TARGETS, *SMOKE, "--config", "bootstrap=50")) == {"table": 1}


TINY = "{generator: synth, train_identities: 4, val_identities: 2, test_identities: 2, xi: null}"


@pytest.mark.parametrize(
    "change",
    ["retriever={ccd: false}", "search={query: a man, gallery: x, way: none}", f"datasets={{x: {TINY}}}"],
)
def test_booleans_and_null_are_understood_on_the_command_line(tmp_path, change):
    (tmp_path / "x").mkdir()
    done = snakemake(tmp_path, "-n", "results/smoke/pairs/tinypedes.parquet", *SMOKE, "--config", change)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_wrong_value_on_the_command_line_does_not_blame_the_file(tmp_path):
    done = snakemake(tmp_path, "-n", *SMOKE, "--config", "retriever={ccd: maybe}")
    assert "retriever.ccd: found 'maybe'; expected true or false" in done.stderr + done.stdout
    assert (
        "--config" in done.stderr + done.stdout
        and Path("config/smoke.yaml").name not in done.stderr.split("Correct")[-1]
    )
