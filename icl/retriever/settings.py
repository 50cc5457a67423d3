"""Settings of the retriever, and of given ones."""

from __future__ import annotations

from dataclasses import dataclass

from icl.fields import setting


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
    piece: int = setting(
        0, "Pairs that the backbone takes at once (gradient caching); 0: the whole batch.", low=0, operational=True
    )


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
