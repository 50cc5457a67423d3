"""The smoke workflow through MLLM servers: a real one, and a stand-in with SynthVL's real answers and faults."""

import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pandas as pd
import pytest
from fake_servers import MLLMServer
from real_servers import free_port, running
from running import HOUSE, SMOKE, command, table_of

from icl.mllm import prompts
from icl.mllm.backends.pictures import encoded_image
from icl.mllm.backends.probe import probe_questions
from icl.mllm.backends.transformers_backend import TransformersBackend
from icl.mllm.places import Places
from icl.mllm.prompts import localise_text
from icl.mllm.protocol import YES_NO, Request
from icl.mllm.settings import MLLMSettings
from icl.mllm.store import request_key

pytestmark = [pytest.mark.slow, pytest.mark.servers]
KILLS = int(os.environ.get("ICL_KILLS", "20"))
STORED = 1.0
"""Seconds within which an answer that was sent is stored, on a machine with much else to do."""
SYNTHVL = HOUSE / "models" / "synthvl"


def call_through(folder: Path, mllm: str, *more: str) -> list[str]:
    return command(folder, "results/smoke/table.csv", *SMOKE, "--config", f"mllm={{{mllm}}}", *more)


@pytest.fixture
def transformers_serve(tmp_path):
    """`transformers serve`, on the CPU and without a hub; stopped in the end."""
    port = free_port()
    surroundings = {"HF_HUB_OFFLINE": "1", "CUDA_VISIBLE_DEVICES": "", "HF_HOME": str(tmp_path / "hub")}
    program = [Path(sys.executable).with_name("transformers"), "serve", "--port", str(port), "--host", "127.0.0.1"]
    call = [*program, "--device", "cpu"]
    with running(call, f"http://127.0.0.1:{port}/health", tmp_path / "serve.log", 120, **surroundings):
        yield f"http://127.0.0.1:{port}/v1"


@pytest.mark.long
def test_transformers_serve_gives_the_same_table(whole, transformers_serve, tmp_path):
    """All rows but that of Yes probabilities, which this server does not give: its words decide."""
    rows = "methods=[RDE, RDE+THI, ICL, ICL+THI (no LoRA), ICL+THI, ICL+k-reciprocal]"
    merged = whole / "results/smoke/lora/seed1/merged"
    mllm = f"backend: openai, url: '{transformers_serve}', model: {SYNTHVL}, adapter_model: {merged}, concurrency: 2"
    done = subprocess.run(call_through(tmp_path, mllm, rows), capture_output=True, text=True, timeout=1200)
    assert done.returncode == 0, done.stderr[-3000:]
    expected = table_of(whole)
    pd.testing.assert_frame_equal(table_of(tmp_path), expected[expected.method != "ICL+Yes"])


class SynthVL:
    """SynthVL's answers for a stand-in server; the model's name says whether the adapter is on.

    What a finished run was answered is taken from its stores, and the model asked the rest.
    """

    TASKS = ("vqa", "localise", "aggregate", "decompose", "rewrite")

    def __init__(self, results: Path, folder: Path) -> None:
        settings, adapter = MLLMSettings(model=str(SYNTHVL)), results / "lora/seed1/adapter"
        self.stored = Places()
        for path in sorted(results.glob("answers/*/*.jsonl")):
            list(self.stored.read(path))
        pictures = results.glob("benchmarks/*/imgs/*/*")
        self.pictures = {encoded_image(path, settings.max_pixels): path for path in pictures}
        self.models = {"synthvl": TransformersBackend(settings)}
        self.models["synthvl-lora"] = TransformersBackend(settings, str(adapter))
        self.folder, self.lock, self.memory = folder, threading.Lock(), {}
        self.beginnings = {task: prompts.load_prompt(task).text.split("{")[0] for task in self.TASKS}

    def __call__(self, prompt: str, image: bytes | None, model: str) -> tuple[str, float | None]:
        with self.lock:
            key = (prompt, image, model)
            if key not in self.memory:
                self.memory[key] = self._ask(prompt, image, model)
            return self.memory[key]

    def _ask(self, prompt: str, image: bytes | None, model: str) -> tuple[str, float | None]:
        task = next(task for task, beginning in self.beginnings.items() if prompt.startswith(beginning))
        path = None
        if image:
            path = self.pictures.get(image) or self.folder / f"{len(self.memory)}.png"
            if not path.exists():
                path.write_bytes(image)
        limit = {"localise": 4, "vqa": 240}.get(task, 200)
        request = Request(task, prompt, path, limit, YES_NO if task == "localise" else None)
        key = request_key(request, self.models[model].identity(task))
        answer = self.stored.find([key]).get(key) or self.models[model].answer([request])[0]
        return answer.text, (answer.probabilities or {}).get("Yes")


@pytest.fixture(scope="module")
def synthvl(whole, tmp_path_factory):
    return SynthVL(whole / "results/smoke", tmp_path_factory.mktemp("seen"))


def ollama(server: MLLMServer, more: str = "") -> str:
    quick = "retry_seconds: 0.05, concurrency: 4"
    return f"backend: ollama, url: '{server.url}', model: synthvl, adapter_model: synthvl-lora, {quick}{more}"


SOME = ("RDE", "RDE+THI", "ICL", "ICL+THI")
"""Rows with every kind of question; the others ask the same kinds of other candidates."""


@pytest.mark.faults
@pytest.mark.parametrize(
    ("share", "rows"), [pytest.param(0.0, None, marks=pytest.mark.long, id="0.0"), pytest.param(0.1, SOME, id="0.1")]
)
def test_ollamas_api_gives_the_same_table_with_and_without_faults(whole, synthvl, share, rows, tmp_path):
    """On a finished run without what an MLLM said in it: the trained baseline stays, all else is asked for again."""
    folder, expected = tmp_path / "run", table_of(whole)
    rows = rows or tuple(expected.method)
    shutil.copytree(whole, folder, symlinks=True)
    for name in ("answers", "augment", "thi", "yes", "evidence"):
        shutil.rmtree(folder / "results/smoke" / name)
    with MLLMServer(synthvl, ("synthvl", "synthvl-lora"), share, slow=6.0) as server:
        call = call_through(folder, ollama(server, ", timeout: 4"), f"methods=[{', '.join(rows)}]")
        done = subprocess.run(call, capture_output=True, text=True, timeout=1200)
        assert done.returncode == 0, done.stderr[-3000:]
        assert bool(server.failed) == (share > 0)
    expected = expected[expected.method.isin(rows)].reset_index(drop=True)
    pd.testing.assert_frame_equal(table_of(folder), expected, rtol=1e-5)


def asked_by_jobs(server: MLLMServer, probed: set[str]) -> list[str]:
    """Prompts that were answered, without those that are put before any job."""
    return [prompt for _, prompt in list(server.sent) if prompt not in probed]


def judged(server: MLLMServer, probed: set[str]) -> int:
    """Questions of T_loc, which THI asks and RDA does not."""
    return sum("accurately describe" in prompt for prompt in asked_by_jobs(server, probed))


@pytest.mark.faults
@pytest.mark.long
def test_random_kills_lose_nothing_and_ask_nothing_twice(whole, synthvl, tmp_path):
    """Kills at random moments, the first half in RDA and the others in THI, each followed by the same command."""
    rng, killed = random.Random(1), []
    probed = {request.text for part in probe_questions(tmp_path) for request in part} | {localise_text("A person.")}
    with MLLMServer(synthvl, ("synthvl", "synthvl-lora")) as server:
        call = call_through(tmp_path, ollama(server))
        while len(killed) < KILLS:
            counted = judged if len(killed) >= KILLS // 2 else (lambda *given: len(asked_by_jobs(*given)))
            before = counted(server, probed)
            run = subprocess.Popen(call, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            while run.poll() is None and counted(server, probed) == before:
                time.sleep(0.02)
            time.sleep(rng.uniform(0, 0.5))
            assert run.poll() is None, "the run ended before the last kill"
            killed.append(time.time())
            os.kill(run.pid, signal.SIGKILL)
            run.wait()
        done = subprocess.run(call, capture_output=True, text=True, timeout=1200)
        assert done.returncode == 0, done.stderr[-3000:]
    pd.testing.assert_frame_equal(table_of(tmp_path), table_of(whole), rtol=1e-5)
    for path in (tmp_path / "results/smoke/answers").glob("*/*.jsonl"):
        keys = [line.split('"')[3] for line in path.read_text().splitlines() if line.startswith('{"key"')]
        assert len(keys) == len(set(keys)), f"{path}: no stored answer was asked for again"
    last_sent = {}
    for at, question in server.sent:
        if (
            "Split the following" in question or "different sentences" in question
        ):  # RDA's, which nothing asks for its time
            before = last_sent.get(question, at)
            assert before == at or any(before - 0.1 < kill < before + STORED for kill in killed), (
                "an answer asked twice"
            )
            last_sent[question] = at
    assert last_sent
