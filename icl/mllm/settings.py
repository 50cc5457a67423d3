"""Settings of the MLLM, its SFT set and LoRA."""

from __future__ import annotations

from dataclasses import dataclass, replace

from icl.fields import setting
from icl.mllm.backends import BACKENDS


@dataclass(frozen=True)
class MLLMSettings:
    """The multimodal language model and how it is asked."""

    backend: str = setting(
        "transformers",
        "Back-end: transformers, ollama or openai; replay asks nobody and takes a run's stored answers.",
        choices=tuple(BACKENDS),
        own=BACKENDS.own,
    )
    model: str = setting("models/synthvl", "Model folder, hub id or server-side name.")
    url: str = setting(
        "", "Server of the ollama (http://host:11434) and openai (http://host:8000/v1) back-ends.", operational=True
    )
    revision: str = setting(
        "",
        "Your word for what a server runs (its precision, its version); it stands for address and version in the identity of "
        "stored answers, which a moved or updated server then keeps.",
    )
    adapter_model: str = setting(
        "",
        "The served name of the model with the LoRA adapter (ollama and openai); {seed} in it stands for the training seed.",
    )
    concurrency: int = setting(8, "Questions asked of a server side by side.", low=1, high=1024, operational=True)
    timeout: float = setting(120.0, "Seconds to wait for a server's answer.", low=0.1, high=1_000_000, operational=True)
    tries: int = setting(5, "Tries at a question before it is marked as failed.", low=1, high=1000, operational=True)
    retry_seconds: float = setting(
        1.0,
        "First wait between two tries; it doubles, with some chance, up to 60 times.",
        low=0,
        high=3600,
        operational=True,
    )
    on_failure: str = setting(
        "stop",
        "What becomes of a question that failed at every try: stop (told by kind, and asked again by the same command) or "
        "fallback (No; no sub-texts; the caption or sentence itself), counted in the table.",
        choices=("stop", "fallback"),
        operational=True,
    )
    num_ctx: int = setting(4096, "Context length asked of Ollama.", low=256, high=10_000_000, operational=True)
    keep_alive: str = setting("30m", "How long Ollama keeps the model loaded after an answer.", operational=True)
    max_pixels: int = setting(50176, "Pixel budget of an image (paper: 50,176).", low=1, high=1_000_000_000)
    batch_size: int = setting(128, "Requests in one generation batch.", low=1, high=1_000_000, operational=True)
    precision: str = setting(
        "auto",
        "Weights of the transformers back-end and of LoRA's base: float32, bfloat16, float16, or auto (bfloat16 on a GPU, "
        "float32 on a CPU).",
        choices=("auto", "float32", "bfloat16", "float16"),
    )
    reading: str = setting(
        "careful",
        "How THI reads T_loc and T_vqa: careful (the first yes or no is the verdict; no valid line is lost), or published "
        "('yes' anywhere is a Yes; lines with a colon and all after a first sentence are lost).",
        choices=("careful", "published"),
    )
    adapter_tasks: tuple[str, ...] = setting(("localise",), "Prompts answered with the LoRA adapter on.")
    max_new_tokens_vqa: int = setting(240, "Generation limit of T_vqa.", low=1, high=1_000_000)
    max_new_tokens_text: int = setting(200, "Generation limit of T_aggr, T_dec and T_rwt.", low=1, high=1_000_000)

    def of_seed(self, seed: int | str) -> MLLMSettings:
        """The same with the adapter of one training seed."""
        return replace(self, adapter_model=self.adapter_model.replace("{seed}", str(seed)))


@dataclass(frozen=True)
class SFTSettings:
    """SFT set and LoRA (supplementary, section D)."""

    negatives_top_k: int = setting(
        10, "Top-k most similar images of other identities to draw a negative from.", low=1, high=1_000_000
    )
    lora_r: int = setting(8, "LoRA rank.", low=1, high=4096)
    lora_alpha: int = setting(16, "LoRA alpha.", low=1, high=100_000)
    lr: float = setting(2e-3, "Learning rate (paper: 5e-5 for the 7B model).", low=0, high=1)
    epochs: int = setting(2, "Epochs over the records (paper: 2).", low=1, high=100_000)
    batch_size: int = setting(64, "Records per step (paper: 4 x 16 accumulation).", low=1, high=1_000_000)
    piece: int = setting(
        0,
        "Records that the MLLM takes at once (paper: 4 of 64); 0: the whole batch.",
        low=0,
        high=1_000_000,
        operational=True,
    )
    gradient_checkpointing: bool = setting(
        False,
        "Compute activations again in the backward pass, to spare memory.",
        operational=True,
    )
    warmup_ratio: float = setting(0.05, "Share of the steps in linear warm-up.", low=0, high=1)
