"""What a configuration asks for: retrievers, judges, and the settings that each stage depends on.

The workflow's rules read this module, so that they hold no logic. It knows neither Snakemake nor any stage.
"""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

from icl.config import TRAINED, has_val, to_mapping
from icl.errors import InputError
from icl.mllm.registry import SERVED
from icl.retriever.ccd import variant_of
from icl.settings import Settings

#: Raise a stage's number when its code changes what its output means: it then reruns, and what follows it.
STAGE_VERSIONS = {
    "benchmark": 1,
    "pairs": 1,
    "retriever": 4,
    "embed": 2,
    "metrics": 2,
    "mine": 1,
    "records": 1,
    "lora": 3,
    "judge": 2,
    "augment": 4,
    "thi": 3,
    "rerank": 1,
    "report": 2,
    "figures": 1,
    "pretrain": 1,
}


def one_of(names) -> str:
    """A pattern of exactly these names; one that matches nothing where there are none."""
    return "|".join(re.escape(name) for name in names) or "(?!)"


def local_source(settings: Settings, dataset: str, method: str) -> list[str]:
    """The files of a given checkpoint, so that a changed one is imported anew; none for a hub id."""
    source = given_source(settings, dataset, method)
    return [source] if Path(source).is_file() else local_weights(source)


def given(settings: Settings, kind: str) -> list[str]:
    """Names of the given retrievers of one kind."""
    return [name for name, spec in settings.retrievers.items() if spec.kind == kind]


def given_source(settings: Settings, dataset: str, method: str) -> str:
    """Where a given retriever is read from; `{dataset}` in the setting is the benchmark's name."""
    return settings.retrievers[method].source.replace("{dataset}", dataset)


def score_files(settings: Settings, dataset: str, method: str) -> list[str]:
    """The files of a retriever that is given by its scores, one a split.

    Raises:
        InputError: a split has none; says what is expected.
    """
    folder, out = Path(given_source(settings, dataset, method)), []
    for split in splits(settings, dataset, method):
        found = [str(folder / f"{split}.{kind}") for kind in ("npz", "npy") if (folder / f"{split}.{kind}").is_file()]
        if not found:
            expected = f"{split}.npz (embeddings) or {split}.npy (captions x images)"
            remedy = f"Write it, or correct retrievers.{method}.source; README, 'Your own retriever', says how."
            raise InputError(f"retriever folder {folder}", f"no scores of split {split}", expected, remedy)
        out += found[:1]
    return out


def retriever_weights(settings: Settings, dataset: str, method: str, seed: str) -> list[str]:
    """The trained or imported weights that encode refined queries; none where only scores are given."""
    if method in given(settings, "scores"):
        return []
    if moved := _TRANSFER.fullmatch(method):
        method, dataset = moved[1], moved[2]
    return [f"{settings.results}/retriever/{dataset}/{method}/seed{seed}/model.safetensors"]


_TRANSFER = re.compile(rf"({'|'.join(TRAINED)})-from-(.+)")


def transferred(method: str, source: str) -> str:
    """Wildcard of a retriever that was trained on another benchmark."""
    return f"{method}-from-{source}"


def transfer_names(settings: Settings) -> list[str]:
    """All of these wildcards."""
    return [transferred(method, source) for source in settings.datasets for method in TRAINED]


def xi_file(settings: Settings, dataset: str, method: str, judge: str, seed: str) -> str:
    """Where THI's threshold stands: a transferred retriever brings its source's, as its target has no labels to choose on."""
    moved = _TRANSFER.fullmatch(method)
    if moved and settings.datasets[dataset].xi is None:
        method, dataset = moved[1], moved[2]
    return f"{settings.results}/thi/{dataset}/{method}/{judge}/seed{seed}/xi.json"


_NOISY = re.compile(r"rde-noise(\d+)(-noccd)?")
NOISY = _NOISY.pattern
"""Wildcard of the noise study's retrievers: percent of permuted captions, and whether CCD divides the pairs."""


def noise_methods(settings: Settings) -> dict[str, tuple[float, bool]]:
    """Retrievers of the noise study: (rate, with CCD) by wildcard."""
    found = {}
    for rate in settings.noise_study:
        found |= {f"rde-noise{round(100 * rate)}{end}": (rate, not end) for end in ("", "-noccd")}
    return found


def noise_files(settings: Settings, name: str) -> list[str]:
    """One file of every retriever of the noise study, such as `metrics/{retriever}/test.json`."""
    return [
        f"{settings.results}/{name.format(retriever=f'{dataset}/{method}/seed{seed}')}"
        for dataset in settings.tabled
        for method in noise_methods(settings)
        for seed in settings.seeds
    ]


def splits(settings: Settings, dataset: str, method: str) -> list[str]:
    """Splits to embed: val where there is one; train for the baseline, whose confusions make the SFT set."""
    if _TRANSFER.fullmatch(method):
        return ["test"]
    train, val = ["train"] * (method == "rde"), ["val"] * has_val(settings.datasets[dataset])
    return [*train, *val, "test"]


def retriever_part(settings: Settings, dataset: str, method: str) -> dict:
    """The retriever's settings for one benchmark: its text length; the last epoch where it has no val split.

    The two keys of Eq. (3) are left out for the baseline, which they do not touch.
    """
    spec, changes = settings.datasets[dataset], {}
    if spec.text_length is not None:
        changes["text_length"] = spec.text_length
    if not has_val(spec):
        changes["selection"] = "last"
    if noisy := _NOISY.fullmatch(method):
        changes |= {"noise_rate": int(noisy[1]) / 100, "ccd": not noisy[2]}
    rate = changes.get("noise_rate", settings.retriever.noise_rate)
    changes["ccd_variant"] = variant_of(settings.retriever.ccd_variant, rate, spec.layout)
    part = to_mapping(dataclasses.replace(settings.retriever, **changes))
    if method != "rda":
        part = {key: value for key, value in part.items() if not key.startswith("rda_")}
    return part


def benchmark_part(settings: Settings, dataset: str) -> dict:
    """What the generator and the reader depend on."""
    part = to_mapping(settings.datasets[dataset])
    aside = ("sft_pairs", "xi", "text_length", "table", "fine_grained", "download", "download_url")
    return {key: value for key, value in part.items() if key not in aside}


def interaction_part(settings: Settings) -> dict:
    """THI's settings without those of its timing and of other re-rankings."""
    part = to_mapping(settings.thi)
    return {key: value for key, value in part.items() if key not in ("timing_queries", "yes_top_k")}


def benchmark_root(settings: Settings, dataset: str) -> str:
    """Folder of a benchmark: given, or generated below the results."""
    return settings.datasets[dataset].root or f"{settings.results}/benchmarks/{dataset}"


def augmentation_source(settings: Settings, dataset: str) -> str:
    """Published augmentation file of a benchmark, or empty; `{dataset}` in the setting is its name."""
    return settings.rda.source.replace("{dataset}", dataset)


def lora_part(settings: Settings) -> dict:
    """LoRA's settings without those of the records."""
    part = to_mapping(settings.sft)
    return {key: value for key, value in part.items() if key != "negatives_top_k"}


def rda_part(settings: Settings) -> dict:
    """RDA's settings that its texts depend on."""
    part = to_mapping(settings.rda)
    return {key: value for key, value in part.items() if key not in ("shards", "source")}


def mllm_part(settings: Settings) -> dict:
    """The MLLM's settings."""
    return to_mapping(settings.mllm)


def adapter_file(settings: Settings, judge: str, seed: str) -> list[str]:
    """The weights of the judge's LoRA adapter; none for the MLLM as it comes, and none where a server holds the adapter."""
    if judge != "lora" or settings.mllm.backend in SERVED:
        return []
    return [f"{settings.results}/lora/seed{seed}/adapter/adapter_model.safetensors"]


def generated(settings: Settings) -> list[str]:
    """Names of the benchmarks that the workflow writes itself."""
    return [name for name, spec in settings.datasets.items() if spec.generator]


def generated_files(settings: Settings, dataset: str) -> list[str]:
    """The annotation file of a generated or downloaded benchmark; none for a given one."""
    spec = settings.datasets[dataset]
    return annotation_files(settings, dataset) if spec.generator or spec.download else []


def annotation_state(settings: Settings, dataset: str) -> str:
    """What a given benchmark's annotation file looks like now, so that a check is repeated after it came or changed."""
    if settings.datasets[dataset].generator or settings.datasets[dataset].download:
        return ""
    try:
        path = Path(annotation_files(settings, dataset)[0])
    except InputError:
        return "missing"
    return f"{path.name} {path.stat().st_size} {path.stat().st_mtime_ns}"


def annotation_files(settings: Settings, dataset: str) -> list[str]:
    """The annotation file that a benchmark is read from.

    Raises:
        InputError: the benchmark is not there; says how to get it.
    """
    root = benchmark_root(settings, dataset)
    if settings.datasets[dataset].generator:
        return [f"{root}/reid_raw.json"]
    from icl.data.readers import annotation_file, layout_of  # pandas: only where a benchmark is given by its folder

    if settings.datasets[dataset].download:
        return [f"{root}/{layout_of(settings.datasets[dataset].layout).files[0]}"]
    return [str(annotation_file(settings.datasets[dataset].layout, root))]


def image_root(settings: Settings, dataset: str) -> str:
    """Folder that a benchmark's image paths are relative to."""
    root, layout = benchmark_root(settings, dataset), settings.datasets[dataset].layout
    return root if layout == "ufine6926" else f"{root}/imgs"


def augmented_file(settings: Settings, dataset: str, method: str) -> list[str]:
    """The augmented captions that a retriever trains on; none for the baseline."""
    return [f"{settings.results}/augment/{dataset}/augmented.json"] if method == "rda" else []


def augmentation_inputs(settings: Settings, dataset: str) -> list[str]:
    """What the augmented captions are gathered from: a published file, or our own shards."""
    source, n = augmentation_source(settings, dataset), settings.rda.shards
    if source:
        return [source]
    return [f"{settings.results}/augment/{dataset}/shard{i}-of-{n}.jsonl" for i in range(n)]


def local_weights(model: str) -> list[str]:
    """Weights of a model folder, so that new ones rerun what uses them; none for a hub id or an absent folder."""
    return sorted(str(path) for path in Path(model).glob("*.safetensors"))
