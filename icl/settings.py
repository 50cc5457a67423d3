"""Typed settings: every configuration key, its default at embedded scale, and where the value comes from."""

from __future__ import annotations

from dataclasses import dataclass, field


def setting(default, help: str, **extra):
    """A dataclass field with a description (shown in the generated schema and in the docs)."""
    meta = {"help": help, **extra}
    if isinstance(default, (list, dict)):
        raise TypeError("mutable defaults are not allowed; use a tuple")
    return field(default=default, metadata=meta)


METHODS = ("RDE", "RDE+THI", "ICL", "ICL+THI (no LoRA)", "ICL+THI", "ICL+k-reciprocal", "ICL+Yes")
"""Rows that a table can have; `icl.rows` says what each stands on."""


@dataclass(frozen=True)
class DatasetSettings:
    """One benchmark of the run; the key in `datasets` is its name in every path and table."""

    layout: str = setting(
        "cuhk-pedes",
        "Annotation layout: cuhk-pedes, icfg-pedes, rstpreid or ufine6926.",
        choices=("cuhk-pedes", "icfg-pedes", "rstpreid", "ufine6926"),
    )
    root: str = setting("", "Folder that holds the benchmark; empty for a generated one.")
    generator: str = setting(
        "",
        "Generator that writes the benchmark (synth), or empty for an existing folder.",
        choices=("", "synth"),
    )
    domain: str = setting(
        "city",
        "Domain of a generated benchmark: city, winter (other season, cameras and annotators) or fine (long captions).",
        choices=("city", "winter", "fine"),
    )
    table: bool = setting(
        True, "Has rows in results/table.csv and pairs in the SFT set; false: stands in the generalisation tables only."
    )
    fine_grained: bool = setting(False, "Long captions: what is trained or tested on it stands in Table 4, not 3.")
    download: bool = setting(False, "Download it where its owners serve it openly (RSTPReid).")
    download_url: str = setting("", "Mirror of one's own to download from instead.")
    seed: int = setting(7, "Seed of the generator.")
    train_identities: int = setting(0, "Generated training identities.", low=0)
    val_identities: int = setting(0, "Generated validation identities.", low=0)
    test_identities: int = setting(0, "Generated test identities.", low=0)
    images_per_identity: int = setting(3, "Generated images of one identity.", low=1)
    sft_pairs: int = setting(15000, "Clean pairs drawn for the SFT set (supplementary, section D).", low=1)
    text_length: int | None = setting(
        None, "Text tokens of this benchmark where they differ from retriever.text_length (UFine6926: 168)."
    )
    xi: float | None = setting(None, "Fixed THI threshold; null selects it on the val split.")


@dataclass(frozen=True)
class RetrieverSettings:
    """RDE retriever (method: CVPR 2024) on a CLIP backbone."""

    checkpoint: str = setting("models/synthclip", "CLIP weights: a transformers folder or hub id.")
    image_height: int = setting(96, "Input height in pixels (paper: 384).", low=8)
    image_width: int = setting(48, "Input width in pixels (paper: 128).", low=8)
    text_length: int = setting(40, "Text tokens (paper: 77, or 168 for UFine6926).", low=4)
    select_ratio: float = setting(0.3, "TSE token selection ratio.", low=0, high=1)
    tse_dim: int = setting(256, "Width of the TSE embedding (paper: 1024).", low=1)
    loss: str = setting("tal", "Matching loss: tal, trl, infonce or sdm.", choices=("tal", "trl", "infonce", "sdm"))
    tau: float = setting(0.015, "Temperature of TAL and TRL.", low=1e-6)
    margin: float = setting(0.1, "Margin of TAL and TRL.")
    epochs: int = setting(12, "Training epochs (paper: 60).", low=1)
    batch_size: int = setting(64, "Pairs in a batch.", low=1)
    lr: float = setting(3e-4, "Learning rate of the backbone (paper: 1e-5).", low=0)
    lr_tse: float = setting(1e-3, "Learning rate of the TSE layers.", low=0)
    bias_lr_factor: float = setting(2.0, "Factor on the learning rate of biases.")
    weight_decay: float = setting(4e-5, "Weight decay (none on biases).")
    adam_eps: float = setting(1e-8, "Epsilon of Adam (paper: 1e-3).")
    warmup_epochs: int = setting(0, "Linear warm-up epochs (paper: 5).")
    warmup_factor: float = setting(0.1, "First warm-up factor.")
    token_mask_rate: float = setting(
        0.2, "Token masking rate (random deletion/replacement as published).", low=0, high=1
    )
    batchnorm: str = setting(
        "train",
        "TSE BatchNorm: train, or frozen (as the published ICL code behaves).",
        choices=("train", "frozen"),
    )
    batchnorm_padding: bool = setting(
        False, "TSE BatchNorm also sees the padding of captions shorter than the tokens kept (as published)."
    )
    noise_rate: float = setting(0.0, "Share of training captions permuted for the noise study.", low=0, high=1)
    noise_file: str = setting("", "Published index of a noise study (.npy); it then decides which captions move.")
    ccd: bool = setting(True, "Divide the pairs by CCD at every epoch; false trains on all of them.")
    ccd_variant: str = setting(
        "default",
        "GMM settings of CCD: default, strict or auto (published rule).",
        choices=("default", "strict", "auto"),
    )
    ccd_views: str = setting(
        "plain",
        "What CCD's losses are taken on: plain images and captions, or augmented ones as in training (as published).",
        choices=("plain", "augmented"),
    )
    rda_gamma_slope: float = setting(
        0.03, "gamma = max(floor, 1 - slope * epoch), Eq. (3) (paper: 0.03 over 60 epochs)."
    )
    rda_loss: str = setting(
        "same",
        "Matching loss of the augmented texts, Eq. (2): same as `loss`, or tal whatever that is (as published).",
        choices=("same", "tal"),
    )
    rda_gamma_floor: float = setting(0.1, "Floor of gamma, Eq. (3).")
    stretched_positions: str = setting(
        "interpolated",
        "Text positions beyond the checkpoint's: interpolated (the paper), or random (as the published code leaves them).",
        choices=("interpolated", "random"),
    )
    stretched_positions_lr_factor: float = setting(
        5.0, "Factor on the learning rate of text positions stretched beyond CLIP's 77 (as published)."
    )
    selection: str = setting(
        "best-val",
        "Checkpoint: best-val (mAP), last, or best-test (Rank-1, the published protocol; needs watch_test).",
        choices=("best-val", "last", "best-test"),
    )
    watch_test: bool = setting(False, "Measure the test split at every epoch too, to report the published protocol.")
    precision: str = setting(
        "float32",
        "Arithmetic of the backbone, in training and in encoding: float32, bfloat16 or float16 (heads, losses and "
        "similarities: float32).",
        choices=("float32", "bfloat16", "float16"),
    )
    piece: int = setting(0, "Pairs that the backbone takes at once (gradient caching); 0: the whole batch.", low=0)


@dataclass(frozen=True)
class GivenRetrieverSettings:
    """A retriever that this workflow does not train; its name in `retrievers` gives the rows NAME and NAME+THI."""

    kind: str = setting(
        "checkpoint",
        "What is given: a checkpoint (CLIP, IRRA or RDE weights), or scores (embeddings or similarity matrices).",
        choices=("checkpoint", "scores"),
    )
    source: str = setting(
        "", "Checkpoint as in retriever.checkpoint, or folder of {split}.npz or {split}.npy; {dataset} is replaced."
    )
    judge: str = setting("lora", "Who answers T_loc in NAME+THI: base or lora.", choices=("base", "lora"))


@dataclass(frozen=True)
class MLLMSettings:
    """The multimodal language model and how it is asked."""

    backend: str = setting(
        "transformers",
        "Back-end: transformers, ollama or openai; replay asks nobody and takes a run's stored answers.",
        choices=("transformers", "ollama", "openai", "replay"),
    )
    model: str = setting("models/synthvl", "Model folder, hub id or server-side name.")
    url: str = setting("", "Server of the ollama (http://host:11434) and openai (http://host:8000/v1) back-ends.")
    adapter_model: str = setting("", "The served name of the model with the LoRA adapter (ollama and openai).")
    concurrency: int = setting(8, "Questions asked of a server side by side.", low=1)
    timeout: float = setting(120.0, "Seconds to wait for a server's answer.", low=0.1)
    tries: int = setting(5, "Tries at a question before it is marked as failed.", low=1)
    retry_seconds: float = setting(
        1.0, "First wait between two tries; it doubles, with some chance, up to 60 times.", low=0
    )
    on_failure: str = setting(
        "stop",
        "What becomes of a question that failed at every try: stop (told by kind, and asked again by the same command) or "
        "fallback (No; no sub-texts; the caption or sentence itself), counted in the table.",
        choices=("stop", "fallback"),
    )
    num_ctx: int = setting(4096, "Context length asked of Ollama.", low=256)
    keep_alive: str = setting("30m", "How long Ollama keeps the model loaded after an answer.")
    max_pixels: int = setting(50176, "Pixel budget of an image (paper: 50,176).", low=1)
    batch_size: int = setting(128, "Requests in one generation batch.", low=1)
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
    max_new_tokens_vqa: int = setting(240, "Generation limit of T_vqa.")
    max_new_tokens_text: int = setting(200, "Generation limit of T_aggr, T_dec and T_rwt.")


@dataclass(frozen=True)
class SFTSettings:
    """SFT set and LoRA (supplementary, section D)."""

    negatives_top_k: int = setting(10, "Top-k most similar images of other identities to draw a negative from.", low=1)
    lora_r: int = setting(8, "LoRA rank.", low=1)
    lora_alpha: int = setting(16, "LoRA alpha.")
    lr: float = setting(2e-3, "Learning rate (paper: 5e-5 for the 7B model).", low=0)
    epochs: int = setting(2, "Epochs over the records (paper: 2).", low=1)
    batch_size: int = setting(64, "Records per step (paper: 4 x 16 accumulation).", low=1)
    piece: int = setting(0, "Records that the MLLM takes at once (paper: 4 of 64); 0: the whole batch.", low=0)
    gradient_checkpointing: bool = setting(False, "Compute activations again in the backward pass, to spare memory.")
    warmup_ratio: float = setting(0.05, "Share of the steps in linear warm-up.", low=0, high=1)


@dataclass(frozen=True)
class RDASettings:
    """Reorganization data augmentation of the training captions."""

    variants: int = setting(5, "Rewrites m of each sub-sentence.", low=1)
    temperature: float = setting(0.8, "Temperature of T_rwt: its variants should differ.", low=0)
    seed: int = setting(0, "Seed of T_rwt's draws.")
    shards: int = setting(2, "Independent shards of the MLLM stage.", low=1)
    source: str = setting("", "Published augmentation file to import in place of generation.")


@dataclass(frozen=True)
class THISettings:
    """Test-time human-centered interaction (Algorithm 1)."""

    rounds: int = setting(5, "Rounds K.", low=1)
    lambda_: float = setting(0.8, "Weight of the raw similarity in the re-ranking.", key="lambda", low=0, high=1)
    xi_grid: int = setting(41, "Candidates of xi tried on val (quantiles of the top-1 similarity).", low=1)
    yes_top_k: int = setting(5, "First images that the row ICL+Yes re-ranks by their Yes probability.", low=1)
    timing_queries: int = setting(48, "Queries timed one by one for p50 and p95.", low=1)


@dataclass(frozen=True)
class PretrainSettings:
    """Pre-training of the embedded models (rule target `pretrained`)."""

    seed: int = setting(1000, "Seed of the pre-training identities (disjoint from every benchmark).")
    threads: int = setting(2, "CPU threads.", low=1)
    clip_identities: int = setting(4000, "Identities seen by SynthCLIP.")
    clip_steps: int = setting(800, "Training steps of SynthCLIP.")
    clip_batch: int = setting(128, "Pairs in a batch of SynthCLIP.")
    vl_identities: int = setting(7000, "Identities seen by SynthVL.")
    vl_vision_steps: int = setting(1500, "Steps of the vision tower's attribute stage.")
    vl_text_steps: int = setting(400, "Steps of the decoder's text-only stage.")
    vl_mixture_steps: tuple[int, ...] = setting(
        (600, 420, 160), "Steps of the stages joint, assistant and lenient (synthvl.MIXTURES)."
    )
    held_out_identities: int = setting(150, "Unseen identities on which a trained model is measured.", low=1)


@dataclass(frozen=True)
class SearchSettings:
    """Target `search`: rank one's own image folder for a text."""

    query: str = setting("", "Description of the person to look for.")
    gallery: str = setting("", "Folder of images.")
    thi: bool = setting(True, "Interact with the MLLM; false ranks by the retriever alone.")


@dataclass(frozen=True)
class JobSettings:
    """What the jobs ask of a cluster; the profile names account and partition."""

    gpus: int = setting(0, "GPUs of a job that runs a model (of one process, where it trains with several).", low=0)
    gpu_type: str = setting("", "Type of these GPUs as the cluster names it (a100), or empty for any.")
    training_processes: int = setting(
        1, "Processes of one retriever training, started by torchrun: one a GPU, or a share of the CPU threads.", low=1
    )
    training_nodes: int = setting(1, "Nodes that these processes are spread over (Slurm).", low=1)


@dataclass(frozen=True)
class Settings:
    """The whole run."""

    datasets: dict[str, DatasetSettings] = field(default_factory=dict, metadata={"help": "Benchmarks by name."})
    methods: tuple[str, ...] = setting(
        METHODS,
        "Rows of results/table.csv.",
        choices=METHODS,
    )
    seeds: tuple[int, ...] = setting((1,), "Training seeds; each gives its own rows.")
    results: str = setting("results", "Folder of all outputs.")
    threads: int = setting(2, "CPU threads of a timed job, which runs alone.", low=1)
    training_threads: int = setting(
        1,
        "CPU threads of one training: two trainings side by side use two cores better than one after the other.",
        low=1,
    )
    bootstrap: int = setting(1000, "Bootstrap samples of the confidence intervals.", low=1)
    noise_study: tuple[float, ...] = setting((0.5,), "Shares of permuted training captions in the target `noise`.")
    retrievers: dict[str, GivenRetrieverSettings] = field(
        default_factory=dict,
        metadata={"help": "Further retrievers by name, each with rows NAME and NAME+THI (Table 5)."},
    )
    retriever: RetrieverSettings = field(default_factory=RetrieverSettings, metadata={"help": "Retriever."})
    mllm: MLLMSettings = field(default_factory=MLLMSettings, metadata={"help": "MLLM."})
    sft: SFTSettings = field(default_factory=SFTSettings, metadata={"help": "SFT and LoRA."})
    rda: RDASettings = field(default_factory=RDASettings, metadata={"help": "RDA."})
    thi: THISettings = field(default_factory=THISettings, metadata={"help": "THI."})
    search: SearchSettings = field(default_factory=SearchSettings, metadata={"help": "Search in one's own images."})
    jobs: JobSettings = field(default_factory=JobSettings, metadata={"help": "Cluster jobs."})
    pretrain: PretrainSettings = field(default_factory=PretrainSettings, metadata={"help": "Pre-training."})

    @property
    def tabled(self) -> dict[str, DatasetSettings]:
        """The benchmarks of results/table.csv and of the SFT set."""
        return {name: spec for name, spec in self.datasets.items() if spec.table}
