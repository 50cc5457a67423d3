"""What a GPU changes, checked and measured: `make gpu`; results/gpu.json. With ICL_DEVICE=cpu the same on a CPU, smaller.

Parity of encodings, losses and gradients with the CPU; training steps by precision; Yes/No and T_vqa answers a second of a
random Qwen2-VL of the 7B model's width; the smoke run on the device.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch

from icl.apps.shipped import SHIPPED
from icl.data.images import ImageStore
from icl.data.settings import DatasetSettings
from icl.device import chosen_device
from icl.errors import InputError
from icl.files import write_json
from icl.mllm import prompts
from icl.mllm.backends.transformers_backend import TransformersBackend
from icl.mllm.protocol import YES_NO, Request
from icl.mllm.settings import MLLMSettings
from icl.retriever.encoding.embeddings import encode_images, encode_texts, image_size
from icl.retriever.losses import LOSSES
from icl.retriever.settings import RetrieverSettings
from icl.retriever.training.step import Batch, TrainingStep
from icl.retriever.weights.checkpoints import build_retriever, load_retriever
from icl.retriever.weights.names import from_transformers
from icl.retriever.world import World
from icl.synthpedes.benchmark import write_benchmark
from tests.bench.bench_retriever import LENGTH, MARGIN, TAU, some_batch
from tests.bench.harness import processor
from tests.clip_sizes import random_clip
from tests.gpu.sizes import clip_size, save_qwen

OUT = Path("results/gpu.json")
CLOSE, CLOSE_GRADIENTS = 2e-4, 2e-3
"""Float32 of two devices: largest difference of unit vectors and of losses, and of gradients against the greatest one."""


def draw_benchmark(folder: Path) -> list[dict]:
    """Records of a few drawn pedestrians; their images are below `folder`/imgs."""
    spec = DatasetSettings(train_identities=8, val_identities=4, test_identities=4, images_per_identity=2)
    write_benchmark(spec, folder, folder / "truth.parquet")
    return json.loads((folder / "reid_raw.json").read_text())


def encoded(folder: Path, records: list[dict], device: str) -> list[torch.Tensor]:
    """BGE and TSE of the images and captions by the shipped retriever, on one device."""
    os.environ["ICL_DEVICE"] = device
    model, tokenizer = load_retriever(SHIPPED)
    model.to(device)
    store = ImageStore(folder / "imgs", [record["file_path"] for record in records], *image_size(model))
    captions = [caption for record in records for caption in record["captions"]]
    return [part.cpu() for part in (*encode_images(model, store), *encode_texts(model, tokenizer, captions))]


def on(batch: Batch, device: torch.device) -> Batch:
    """The same batch on a device."""
    texts = [(ids.to(device), weight) for ids, weight in batch.texts]
    return Batch(batch.pixels.to(device), texts, batch.pids.to(device), batch.label.to(device))


def trained(loss: str, precision: str, layers: int, rows: int, device: torch.device):
    """A step's function, the model, and what it needs to run once more."""
    torch.manual_seed(0)
    settings = RetrieverSettings(image_height=384, image_width=128, tse_dim=1024, precision=precision)
    model = build_retriever(from_transformers(random_clip(clip_size(layers), 512)), settings, LENGTH).to(device).train()
    step, batch = TrainingStep(model, LOSSES[loss], TAU, MARGIN, World(0, 1, device), 0), on(some_batch(rows), device)
    return model, lambda: step.backward(batch)


def gradient(loss: str, device: torch.device) -> tuple[float, torch.Tensor]:
    """Loss and gradient of one float32 step of a CLIP of real width, two layers deep."""
    model, step = trained(loss, "float32", 2, 4, device)
    value = float(step())
    return value, torch.cat([p.grad.flatten().cpu() for p in model.parameters() if p.grad is not None])


def parity(folder: Path, device: torch.device) -> dict:
    """Differences between the device and the CPU.

    Raises:
        AssertionError: one is too great; says which.
    """
    records, found = draw_benchmark(folder), {}
    here, there = (encoded(folder, records, name) for name in ("cpu", device.type))
    found["encodings"] = max(float((a - b).abs().max()) for a, b in zip(here, there, strict=True))
    assert found["encodings"] <= CLOSE, found
    for loss in LOSSES.own:
        (one, by_cpu), (other, by_device) = gradient(loss, torch.device("cpu")), gradient(loss, device)
        found[f"loss {loss}"] = abs(one - other) / max(1, abs(one))
        found[f"gradient {loss}"] = float((by_cpu - by_device).abs().max() / by_cpu.abs().max())
        assert found[f"loss {loss}"] <= CLOSE and found[f"gradient {loss}"] <= CLOSE_GRADIENTS, found
    return found


def measured(run: Callable[[], object], device: torch.device, rounds: int) -> dict:
    """Seconds of the fastest of `rounds` after one to warm up, and on a card the highest memory."""
    cuda, best = device.type == "cuda", float("inf")
    run()
    if cuda:
        torch.cuda.reset_peak_memory_stats()
    for _ in range(rounds):
        if cuda:
            torch.cuda.synchronize()
        start = time.perf_counter()
        run()
        if cuda:
            torch.cuda.synchronize()
        best = min(best, time.perf_counter() - start)
    return {"seconds": best, "peak_gb": torch.cuda.max_memory_allocated() / 1e9 if cuda else None}


def training(device: torch.device) -> list[dict]:
    """Steps of ViT-B/16 with RDA's texts by precision: the paper's batch of 64 on a card; 2 pairs, 1 layer on a CPU."""
    layers, rows = (12, 64) if device.type == "cuda" else (1, 2)
    out = []
    for precision in ("float32", "bfloat16", *(["float16"] if device.type == "cuda" else [])):
        _, step = trained("tal", precision, layers, rows, device)
        found = measured(step, device, 3)
        out.append(
            {"precision": precision, "layers": layers, "batch": rows, **found, "pairs_s": rows / found["seconds"]}
        )
    return out


def asking(folder: Path, device: torch.device) -> dict:
    """Answers a second of the random Qwen2-VL; every Yes/No answer has probabilities."""
    cuda = device.type == "cuda"
    memory = torch.cuda.get_device_properties(0).total_memory / 1e9 if cuda else None
    sizes = save_qwen(folder / "qwen", memory)
    records = json.loads((folder / "reid_raw.json").read_text())
    images = [folder / "imgs" / record["file_path"] for record in records]
    backend = TransformersBackend(MLLMSettings(model=str(folder / "qwen"), precision="auto"))
    count = 64 if cuda else 2
    judge = [
        Request("localise", prompts.localise_text(f"A person, number {k}."), images[k % len(images)], 4, YES_NO)
        for k in range(count)
    ]
    describe = [Request("vqa", prompts.vqa_text(), image, 64 if cuda else 4) for image in images[: count // 2]]
    answers = backend.answer(judge)
    assert all(answer.probabilities for answer in answers), "a Yes/No answer without probabilities"
    out = {"model": sizes}
    for name, requests in (("Yes/No", judge), ("T_vqa", describe)):

        def run(requests: list[Request] = requests) -> None:
            backend.forget_images()
            backend.answer(requests)

        found = measured(run, device, 1)
        out[name] = {"questions": len(requests), **found, "answers_s": len(requests) / found["seconds"]}
    return out


def smoke(folder: Path, device: torch.device) -> dict:
    """The smoke run on the device, as users call it."""
    start, out = time.perf_counter(), folder / "smoke"
    call = [sys.executable, "-m", "snakemake", "--cores", "all", f"{out}/table.csv"]
    call += ["--configfile", "config/smoke.yaml", "--config", f"results={out}"]
    done = subprocess.run(call, env={**os.environ, "ICL_DEVICE": device.type}, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"the smoke run failed:\n{done.stderr[-3000:]}")
    return {"seconds": time.perf_counter() - start, "table": (out / "table.csv").read_text().splitlines()[1:]}


def main() -> None:
    """Run all parts and write what they found."""
    device = chosen_device()
    if device.type == "cpu" and os.environ.get("ICL_DEVICE") != "cpu":
        sys.exit("No CUDA card was found. `make gpu ICL_DEVICE=cpu` tries the same on the CPU, smaller.")
    card = torch.cuda.get_device_name(0) if device.type == "cuda" else processor()
    found: dict = {"device": device.type, "card": card, "torch": torch.__version__, "cuda": torch.version.cuda}
    torch.backends.cuda.matmul.allow_tf32 = False  # parity is of float32
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        parts = {"parity": parity, "training": lambda f, d: training(d), "mllm": asking, "smoke": smoke}
        for part, run in parts.items():
            start = time.perf_counter()
            found[part] = run(folder, device)
            print(f"{part}: {time.perf_counter() - start:.0f} s {json.dumps(found[part])[:300]}", flush=True)
            os.environ["ICL_DEVICE"] = device.type
            write_json(OUT, found)
    print(f"{OUT}: {card}")


if __name__ == "__main__":
    try:
        main()
    except InputError as error:
        sys.exit(f"ERROR {error}")
