"""What a GPU changes, checked and measured: `make gpu`; results/gpu.json. With ICL_DEVICE=cpu the same on a CPU, smaller.

Parity of encodings, losses and gradients with the CPU; training steps by precision, beside the card's own matrix products;
Yes/No and T_vqa answers a second, and LoRA steps, of a random Qwen2-VL of the 7B model's width; the smoke run on the device.
"""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from dataclasses import replace
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
from icl.mllm.settings import MLLMSettings, SFTSettings
from icl.mllm.tuning.lora import LoraTrainer
from icl.retriever.encoding.embeddings import encode_images, encode_texts, image_size
from icl.retriever.losses import LOSSES
from icl.retriever.model import RDE
from icl.retriever.settings import RetrieverSettings
from icl.retriever.training.schedule import build_optimizer
from icl.retriever.training.step import Batch, TrainingStep
from icl.retriever.weights.checkpoints import build_retriever, load_retriever
from icl.retriever.weights.names import from_transformers
from icl.retriever.world import World
from icl.synthpedes.benchmark import write_benchmark
from tests.bench import arithmetic
from tests.bench.bench_retriever import LENGTH, MARGIN, TAU, lengths, some_batch
from tests.bench.harness import processor
from tests.clip_sizes import random_clip
from tests.gpu.sizes import clip_size, save_qwen

OUT = Path("results/gpu.json")
REAL_SIZE = RetrieverSettings(image_height=384, image_width=128, tse_dim=1024)
KINDS = {
    "cuda": (("float32", 0), ("bfloat16", 0), ("float16", 0), ("bfloat16", 16)),
    "cpu": (("float32", 0), ("bfloat16", 0), ("float32", 1)),
}
"""Precision and piece of the training steps that are measured."""
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


def learner(loss: str, settings: RetrieverSettings, layers: int, device: torch.device) -> tuple[RDE, TrainingStep]:
    """A retriever of ViT-B/16's width with random weights, and its training step."""
    torch.manual_seed(0)
    model = build_retriever(from_transformers(random_clip(clip_size(layers), 512)), settings, LENGTH).to(device).train()
    return model, TrainingStep(model, LOSSES[loss], TAU, MARGIN, World(0, 1, device), settings.piece)


def gradient(loss: str, device: torch.device) -> tuple[float, torch.Tensor]:
    """Loss and gradient of one float32 step of a CLIP of real width, two layers deep."""
    model, step = learner(loss, REAL_SIZE, 2, device)
    value = float(step.backward(on(some_batch(4), device)))
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


def ceiling(precision: str, device: torch.device) -> float:
    """FLOP a second of a large square matrix product."""
    side = 8192 if device.type == "cuda" else 1024
    a, b = (torch.randn(side, side, device=device, dtype=getattr(torch, precision)) for _ in range(2))
    return 2 * side**3 / measured(lambda: a @ b, device, 5)["seconds"]


def training(device: torch.device) -> list[dict]:
    """Whole steps (forward, backward, Adam) of ViT-B/16 with RDA's texts: the paper's batch of 64 on a card, and in pieces
    for small ones; 2 pairs, 1 layer on a CPU."""
    cuda, out = device.type == "cuda", []
    layers, rows = (12, 64) if cuda else (1, 2)
    batch = on(some_batch(rows), device)
    flops = arithmetic.training(rows, [n for ids, _ in some_batch(rows).texts for n in lengths(ids)])
    for precision, piece in KINDS[device.type]:
        settings = replace(REAL_SIZE, precision=precision, piece=piece)
        model, step = learner("tal", settings, layers, device)
        optimizer = build_optimizer(model, settings)

        def run(step: TrainingStep = step, optimizer: torch.optim.Optimizer = optimizer) -> None:
            optimizer.zero_grad(set_to_none=True)
            step.backward(batch)
            step.optimise(optimizer)

        most, found = ceiling(precision, device), measured(run, device, 5)
        share = flops / most / found["seconds"] if cuda else None
        row = {"precision": precision, "layers": layers, "batch": rows, "piece": piece, **found}
        out.append(row | {"pairs_s": rows / found["seconds"], "ceiling_tflops": most / 1e12, "of_ceiling": share})
        del model, step, optimizer, run
    return out


def asking(folder: Path, device: torch.device) -> dict:
    """Answers a second of the random Qwen2-VL; every Yes/No answer has probabilities."""
    cuda = device.type == "cuda"
    records = json.loads((folder / "reid_raw.json").read_text())
    images = [folder / "imgs" / record["file_path"] for record in records]
    backend = TransformersBackend(MLLMSettings(model=str(folder / "qwen"), batch_size=32))
    count = 64 if cuda else 2
    judge = [
        Request("localise", prompts.localise_text(f"A person, number {k}."), images[k % len(images)], 4, YES_NO)
        for k in range(count)
    ]
    describe = [Request("vqa", prompts.vqa_text(), image, 64 if cuda else 4) for image in images[: count // 2]]
    answers = backend.answer(judge)
    assert all(answer.probabilities for answer in answers), "a Yes/No answer without probabilities"
    out = {}
    for name, requests in (("Yes/No", judge), ("T_vqa", describe)):

        def run(requests: list[Request] = requests) -> None:
            backend.forget_images()
            backend.answer(requests)

        found = measured(run, device, 1)
        out[name] = {"questions": len(requests), "batch": backend.settings.batch_size, **found}
        out[name]["answers_s"] = len(requests) / found["seconds"]
    return out


def tuning(folder: Path, device: torch.device) -> dict:
    """LoRA steps of the same model with the paper's settings: 64 records in pieces of 4, activations computed again."""
    rows = 64 if device.type == "cuda" else 4
    sft = SFTSettings(lr=5e-5, batch_size=rows, piece=4, gradient_checkpointing=True)
    records = json.loads((folder / "reid_raw.json").read_text())
    asked = [
        {"image": record["file_path"], "caption": record["captions"][0], "answer": answer}
        for record in records
        for answer in ("Yes", "No")
    ]
    mllm = MLLMSettings(model=str(folder / "qwen"), batch_size=32)
    trainer = LoraTrainer(sft, mllm, [asked[k % len(asked)] for k in range(rows)], folder / "imgs", 0, folder / "lora")
    found = measured(lambda: trainer._learn(list(range(rows)), 10), device, 1)
    return {"records": rows, "piece": 4, **found, "records_s": rows / found["seconds"]}


def mllm(folder: Path, device: torch.device) -> dict:
    """The random Qwen2-VL asked, then fine-tuned."""
    memory = torch.cuda.get_device_properties(0).total_memory / 1e9 if device.type == "cuda" else None
    found = {"model": save_qwen(folder / "qwen", memory), **asking(folder, device)}
    gc.collect()
    return found | {"LoRA step": tuning(folder, device)}


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
    """Run all parts and write what they found; a part that fails says so and does not stop the others."""
    device = chosen_device()
    if device.type == "cpu" and os.environ.get("ICL_DEVICE") != "cpu":
        sys.exit("No CUDA card was found. `make gpu ICL_DEVICE=cpu` tries the same on the CPU, smaller.")
    card = torch.cuda.get_device_name(0) if device.type == "cuda" else processor()
    found: dict = {"device": device.type, "card": card, "torch": torch.__version__, "cuda": torch.version.cuda}
    torch.backends.cuda.matmul.allow_tf32 = False  # parity is of float32
    parts = {"parity": parity, "training": lambda f, d: training(d), "mllm": mllm, "smoke": smoke}
    failed = []
    with tempfile.TemporaryDirectory() as name:
        for part, run in parts.items():
            start = time.perf_counter()
            try:
                found[part] = run(Path(name), device)
            except Exception as error:  # the other parts tell something all the same
                traceback.print_exc()
                found[part] = {"error": f"{type(error).__name__}: {error}"}
                failed.append(part)
            print(f"{part}: {time.perf_counter() - start:.0f} s {json.dumps(found[part])[:300]}", flush=True)
            os.environ["ICL_DEVICE"] = device.type
            write_json(OUT, found)
    print(f"{OUT}: {card}")
    if failed:
        sys.exit(f"Failed: {', '.join(failed)}.")


if __name__ == "__main__":
    try:
        main()
    except InputError as error:
        sys.exit(f"ERROR {error}")
