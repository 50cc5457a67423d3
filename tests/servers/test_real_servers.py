"""The smoke workflow through a real llama.cpp server and a real vLLM: the table is that of the local back-end."""

import json
import os
import shutil
import subprocess
import urllib.request
from pathlib import Path

import pandas as pd
import pytest
from real_servers import HERE, LLAMA, NOT_BESIDE_VLLM, VLLM, converter, environment, free_port, running
from running import HOUSE, SMOKE, command, table_of

from icl.errors import InputError
from icl.mllm.backends.registry import check_server
from icl.mllm.settings import MLLMSettings

pytestmark = [pytest.mark.slow, pytest.mark.servers, pytest.mark.long]
SYNTHVL = HOUSE / "models" / "synthvl"
QWENS_OWN = {"top_k": 1, "top_p": 0.001, "repetition_penalty": 1.05}
"""What generation_config.json of Qwen2-VL-7B-Instruct says, and vLLM then does where a request says nothing."""
BRIEFLY = "thi={timing_passes: 1, timing_queries: 2}"
"""Times are not compared, and what is timed is asked again each time."""


def smoke(folder: Path, mllm: str, *targets: str) -> None:
    """The smoke run with the MLLM behind a server."""
    folder.mkdir(exist_ok=True)
    call = command(folder, "results/smoke/table.csv", *targets, *SMOKE, "--config", f"mllm={{{mllm}}}", BRIEFLY)
    done = subprocess.run(call, capture_output=True, text=True, timeout=1200)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    assert "WARNING ICL+Yes" not in done.stderr, "every answer has probabilities"


def same_but_for_weighed_answers(found: pd.DataFrame, expected: pd.DataFrame) -> None:
    """Equal tables. Evidence adds up probabilities, which this server gives to 7e-3: there one query of 64 may move."""
    weighed = expected.method == "ICL+Evidence"
    pd.testing.assert_frame_equal(found[~weighed], expected[~weighed])
    numbers = [name for name in expected.select_dtypes("number") if name not in ("rank1_low", "rank1_high")]
    pd.testing.assert_frame_equal(found.loc[weighed, numbers], expected.loc[weighed, numbers], rtol=0, atol=100 / 64)


def identities(folder: Path) -> list[dict]:
    """Who answered, as the stores of a run hold it."""
    found = []
    for path in (folder / "results/smoke/answers").glob("*/*.jsonl"):
        found += [row["identity"] for line in path.open() if "identity" in (row := json.loads(line))]
    return found


@pytest.fixture(scope="module")
def gguf(whole, tmp_path_factory):
    """GGUF files of SynthVL and of the smoke run's merged adapter, as the target `gguf` writes them."""
    folder = tmp_path_factory.mktemp("gguf") / "run"
    shutil.copytree(whole, folder, symlinks=True)
    paths = os.pathsep.join(filter(None, [converter(), os.environ.get("PYTHONPATH")]))
    call = command(folder, "gguf", *SMOKE)
    done = subprocess.run(call, capture_output=True, text=True, timeout=600, env={**os.environ, "PYTHONPATH": paths})
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    found = folder / "results/smoke/gguf"
    for name in ("base", "lora-seed1"):
        for path in (found / name / f"{name}.gguf", found / name / f"mmproj-{name}.gguf"):
            assert path.read_bytes()[:4] == b"GGUF" and path.stat().st_mode & 0o044 == 0o044
    return found


@pytest.fixture(scope="module")
def llama(gguf, tmp_path_factory):
    """Address of llama.cpp's servers with both models, and that of the one with the base alone."""
    port, log = free_port(), tmp_path_factory.mktemp("llama") / "log"
    url = f"http://127.0.0.1:{port}"
    with running([environment(LLAMA), HERE / "llama_router.py", str(port), gguf], f"{url}/v1/models", log, 60):
        with urllib.request.urlopen(f"{url}/ports") as page:
            base = json.load(page)["base"]
        yield f"{url}/v1", f"http://127.0.0.1:{base}/v1"


def test_llama_cpp_gives_the_same_table(whole, llama, tmp_path):
    """With the adapter of the seed, merged."""
    names = "model: base, adapter_model: 'lora-seed{seed}', concurrency: 4"
    smoke(tmp_path, f"backend: openai, url: '{llama[0]}', {names}")
    same_but_for_weighed_answers(table_of(tmp_path), table_of(whole))
    told = {row["path"].rsplit("/", 1)[1]: row for row in identities(tmp_path)}
    assert told.keys() == {"base.gguf", "lora-seed1.gguf"} and all(row["version"] for row in told.values())


def test_a_real_llama_server_with_one_model_is_not_taken_for_the_adapter(llama):
    """It answers to any name."""
    settings = MLLMSettings(backend="openai", url=llama[1], model="base", adapter_model="lora-seed1")
    with pytest.raises(InputError, match="lora-seed1 was asked for a word, and base answered"):
        check_server(settings)
    with pytest.raises(InputError, match="models base; other was asked for a word, and base answered"):
        check_server(MLLMSettings(backend="openai", url=llama[1], model="other"))


@pytest.fixture
def vllm(whole, tmp_path):
    """Address of a vLLM with SynthVL and the smoke run's adapter."""
    port, adapter = free_port(), whole / "results/smoke/lora/seed1/adapter"
    url = f"http://127.0.0.1:{port}"
    call = [environment(VLLM, NOT_BESIDE_VLLM), "-m", "vllm.entrypoints.openai.api_server"]
    call += ["--host", "127.0.0.1", "--port", str(port), "--model", SYNTHVL, "--served-model-name", "synthvl"]
    call += ["--dtype", "float32", "--enforce-eager", "--max-model-len", "2048", "--max-logprobs", "5"]
    call += ["--override-generation-config", json.dumps(QWENS_OWN)]
    call += ["--enable-lora", "--max-loras", "2", "--lora-modules", f"synthvl-lora={adapter}"]
    more = {"VLLM_CPU_KVCACHE_SPACE": "1", "HF_HUB_OFFLINE": "1", "VLLM_NO_USAGE_STATS": "1", "DO_NOT_TRACK": "1"}
    more["PYTHONPATH"] = str(HERE / "beside_vllm")
    with running(call, f"{url}/health", tmp_path / "vllm.log", 400, **more):
        yield f"{url}/v1"


def test_vllm_gives_the_same_table(whole, vllm, tmp_path):
    """With the adapter as a module, though sampling of the server's own would change the words, and with five probabilities."""
    smoke(
        tmp_path / "run",
        f"backend: openai, url: '{vllm}', model: synthvl, adapter_model: synthvl-lora, concurrency: 16",
    )
    pd.testing.assert_frame_equal(table_of(tmp_path / "run"), table_of(whole))
    told = {row["model"]: row for row in identities(tmp_path / "run")}
    assert told["synthvl-lora"]["path"].endswith("results/smoke/lora/seed1/adapter")
    assert told["synthvl"]["path"] == told["synthvl-lora"]["base"] == str(SYNTHVL)
    assert all(row["fingerprint"].startswith("vllm-0.32.0-") for row in told.values())
    times = pd.read_csv(tmp_path / "run/results/smoke/timing.csv")
    assert times.server_cache.dropna().str.contains("of prompt tokens").all() and times.server_cache.notna().any()
