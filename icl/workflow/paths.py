"""The files of the workflow's stages, as the rules name them. It imports neither Snakemake nor a model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from icl.data.layouts import LAYOUTS
from icl.errors import InputError
from icl.mllm.backends import is_served
from icl.rerank.ways import WAYS
from icl.workflow import local
from icl.workflow.names import TRANSFERRED_RETRIEVER, augmentation_source, given, given_source, noise_methods, splits
from icl.workflow.settings import Settings


def given_weights(settings: Settings, dataset: str, method: str) -> list[str]:
    """The files of a given checkpoint, so that a changed one is imported anew; none for a hub id.

    Raises:
        InputError: it is not there.
    """
    return local.weights(given_source(settings, dataset, method), f"retrievers.{method}.source")


def checkpoint_weights(settings: Settings) -> list[str]:
    """The files that a training starts from; none for a hub id.

    Raises:
        InputError: they are not there.
    """
    return local.weights(settings.retriever.checkpoint, "retriever.checkpoint")


def mllm_weights(settings: Settings, served: bool = True) -> list[str]:
    """The MLLM's files; none for a hub id.

    Args:
        served: a server's model will do; false: the stage opens the model itself, whatever `mllm.backend` is.

    Raises:
        InputError: they are not there.
    """
    if served and is_served(settings.mllm.backend):
        return []
    return local.weights(settings.mllm.model, "mllm.model")


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
    if moved := TRANSFERRED_RETRIEVER.fullmatch(method):
        method, dataset = moved[1], moved[2]
    return [f"{settings.results}/retriever/{dataset}/{method}/seed{seed}/model.safetensors"]


def chosen_files(settings: Settings, way: str, dataset: str, method: str, judge: str, seed: str) -> list[str]:
    """Where the parameters of a re-ranking stand: those of the ways that it builds on, then its own, if it has any.

    A transferred retriever brings its source's, as its target has no labels to choose on (a fixed xi is the target's).
    """
    found = []
    for name in (*WAYS[way].builds_on, way):
        if WAYS[name].parameters:
            source, on = method, dataset
            moved = TRANSFERRED_RETRIEVER.fullmatch(method)
            if moved and not (name == "thi" and settings.datasets[dataset].xi is not None):
                source, on = moved[1], moved[2]
            answerer = "none" if WAYS[name].judge == "none" else judge
            found.append(f"{settings.results}/{name}/{on}/{source}/{answerer}/seed{seed}/chosen.json")
    return found


def taken_files(settings: Settings, way: str, dataset: str, method: str, judge: str, seed: str) -> list[str]:
    """Of these, those of other ways."""
    found = chosen_files(settings, way, dataset, method, judge, seed)
    return found[:-1] if WAYS[way].parameters else found


def chosen_by_way(settings: Settings, ways: Sequence[str], *on: str) -> dict[str, list[str]]:
    """The parameter files of several ways.

    Args:
        on: benchmark, method, judge, seed.
    """
    return {way: chosen_files(settings, way, *on) for way in ways}


def flat(files: dict[str, list[str]]) -> list[str]:
    """All of them, each once."""
    return list(dict.fromkeys(path for group in files.values() for path in group))


def captions_file(settings: Settings, way: str, dataset: str, split: str) -> list[str]:
    """Captions of a split's gallery, for the ways that need them."""
    return [f"{settings.results}/captions/{dataset}/{split}/captions.jsonl"] if WAYS[way].described else []


def way_weights(settings: Settings, way: str, dataset: str, method: str, seed: str) -> list[str]:
    """The retriever's weights, for the ways that encode texts."""
    return retriever_weights(settings, dataset, method, seed) if WAYS[way].encodes else []


def way_mllm(settings: Settings, way: str) -> list[str]:
    """The MLLM's files, for the ways that ask it.

    Raises:
        InputError: they are not there.
    """
    return mllm_weights(settings) if WAYS[way].judge != "none" else []


def noise_files(settings: Settings, name: str) -> list[str]:
    """One file of every retriever of the noise study, such as `metrics/{retriever}/test.json`."""
    return [
        f"{settings.results}/{name.format(retriever=f'{dataset}/{method}/seed{seed}')}"
        for dataset in settings.tabled
        for method in noise_methods(settings)
        for seed in settings.seeds
    ]


def benchmark_root(settings: Settings, dataset: str) -> str:
    """Folder of a benchmark: given, or generated below the results."""
    return settings.datasets[dataset].root or f"{settings.results}/benchmarks/{dataset}"


def adapter_file(settings: Settings, judge: str, seed: str) -> list[str]:
    """The weights of the judge's LoRA adapter; none for the MLLM as it comes, and none where a server holds the adapter."""
    if judge != "lora" or is_served(settings.mllm.backend):
        return []
    return [f"{settings.results}/lora/seed{seed}/adapter/adapter_model.safetensors"]


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
    from icl.data.annotations import annotation_file  # pandas: only where a benchmark is given by its folder

    if settings.datasets[dataset].download:
        return [f"{root}/{LAYOUTS[settings.datasets[dataset].layout].files[0]}"]
    return [str(annotation_file(settings.datasets[dataset].layout, Path(root)))]


def benchmark_files(settings: Settings, dataset: str, configfiles: Sequence[str] = ()) -> list[str]:
    """The annotation file that a benchmark is read from, where its images are there too.

    Args:
        configfiles: those of `--configfile`, for the command that the message names.

    Raises:
        InputError: something is missing; says how to get it, for every benchmark of the configuration that is not there.
    """
    if (first := _missing_part(settings, dataset)) is None:
        return annotation_files(settings, dataset)
    others = [found for name in settings.datasets if name != dataset and (found := _missing_part(settings, name))]
    check = " ".join(["snakemake --cores all verify", *(f"--configfile {name}" for name in configfiles)])
    remedy = "\n".join([first.remedy, *map(str, others), f"Then check what is there: {check}"])
    raise InputError(first.where, first.found, first.expected, remedy)


def _missing_part(settings: Settings, dataset: str) -> InputError | None:
    """Why a benchmark cannot be read: no annotation file, or no images."""
    spec = settings.datasets[dataset]
    if spec.generator or spec.download:
        return None
    try:
        [file] = annotation_files(settings, dataset)
    except InputError as error:
        return error
    folder = Path(image_root(settings, dataset))
    if folder.is_dir():
        return None
    steps = LAYOUTS[spec.layout].access_steps(spec.root)
    return InputError(f"image folder {folder}", "no such folder", f"the images that {Path(file).name} names", steps)


def image_root(settings: Settings, dataset: str) -> str:
    """Folder that a benchmark's image paths are relative to."""
    return str(LAYOUTS[settings.datasets[dataset].layout].image_root(benchmark_root(settings, dataset)))


def augmented_file(settings: Settings, dataset: str, method: str) -> list[str]:
    """The augmented captions that a retriever trains on; none for the baseline."""
    return [f"{settings.results}/augment/{dataset}/augmented.json"] if method == "rda" else []


def augmentation_inputs(settings: Settings, dataset: str) -> list[str]:
    """What the augmented captions are gathered from: a published file, or our own shards.

    The number of shards changes no text: augmented captions that are there keep the shards that they were made from.

    Raises:
        InputError: the published file is not there.
    """
    source = augmentation_source(settings, dataset)
    if source:
        return local.file(source, "rda.source")
    folder = f"{settings.results}/augment/{dataset}"

    def shards(n: int) -> list[str]:
        return [f"{folder}/shard{i}-of-{n}.jsonl" for i in range(n)]

    if Path(f"{folder}/augmented.json").exists():
        counts = {int(path.stem.rpartition("-of-")[2]) for path in Path(folder).glob("shard*-of-*.jsonl")}
        for n in sorted(counts):
            if all(Path(name).exists() for name in shards(n)):
                return shards(n)
    return shards(settings.rda.shards)


def pairs_file(settings: Settings, dataset: str) -> str:
    """The pairs table of a benchmark."""
    return f"{settings.results}/pairs/{dataset}.parquet"


def first_ccd(settings: Settings, dataset: str) -> str:
    """The baseline's last CCD division with the first seed."""
    return f"{settings.results}/retriever/{dataset}/rde/seed{settings.seeds[0]}/ccd.parquet"
