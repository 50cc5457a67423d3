"""Settings of the retriever, and of given ones."""

from __future__ import annotations

from dataclasses import dataclass

from icl.errors import InputError
from icl.fields import setting
from icl.retriever.losses import LOSSES


@dataclass(frozen=True)
class RetrieverSettings:
    """RDE retriever (method: CVPR 2024) on a CLIP backbone."""

    checkpoint: str = setting("models/synthclip", "CLIP weights: a transformers folder or hub id.")
    image_height: int = setting(
        96, "Input height in pixels (paper: 384); a multiple of the patch size.", low=8, high=4096
    )
    image_width: int = setting(
        48, "Input width in pixels (paper: 128); a multiple of the patch size.", low=8, high=4096
    )
    text_length: int = setting(40, "Text tokens (paper: 77, or 168 for UFine6926).", low=4, high=4096)
    select_ratio: float = setting(
        0.3, "TSE token selection ratio; one patch and one word at least must be selected.", low=0, high=1
    )
    tse_dim: int = setting(256, "Width of the TSE embedding (paper: 1024).", low=1, high=65536)
    loss: str = setting(
        "tal", "Matching loss: tal, trl, infonce, sdm, or a plug-in's.", choices=tuple(LOSSES), own=LOSSES.own
    )
    tau: float = setting(0.015, "Temperature of TAL and TRL.", low=1e-6, high=100)
    margin: float = setting(0.1, "Margin of TAL and TRL.", low=0, high=2)
    epochs: int = setting(12, "Training epochs (paper: 60).", low=1, high=100_000)
    batch_size: int = setting(64, "Pairs in a batch; one pair alone has no negative.", low=2, high=1_000_000)
    lr: float = setting(3e-4, "Learning rate of the backbone (paper: 1e-5).", low=0, high=1)
    lr_tse: float = setting(1e-3, "Learning rate of the TSE layers.", low=0, high=1)
    bias_lr_factor: float = setting(2.0, "Factor on the learning rate of biases.", low=0, high=1000)
    weight_decay: float = setting(4e-5, "Weight decay (none on biases).", low=0, high=1)
    adam_eps: float = setting(1e-8, "Epsilon of Adam (paper: 1e-3).", low=1e-12, high=1)
    warmup_epochs: int = setting(0, "Linear warm-up epochs (paper: 5), fewer than all.", low=0, high=100_000)
    warmup_factor: float = setting(0.1, "First warm-up factor.", low=0, high=1)
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
        0.03, "gamma = max(floor, 1 - slope * epoch), Eq. (3) (paper: 0.03 over 60 epochs).", low=0, high=1
    )
    rda_loss: str = setting(
        "same",
        "Matching loss of the augmented texts, Eq. (2): same as `loss`, or tal whatever that is (as published).",
        choices=("same", "tal"),
    )
    rda_gamma_floor: float = setting(0.1, "Floor of gamma, Eq. (3).", low=0, high=1)
    stretched_positions: str = setting(
        "interpolated",
        "Text positions beyond the checkpoint's: interpolated (the paper), or random (as the published code leaves them).",
        choices=("interpolated", "random"),
    )
    stretched_positions_lr_factor: float = setting(
        5.0,
        "Factor on the learning rate of text positions stretched beyond CLIP's 77 (as published).",
        low=0,
        high=1000,
    )
    selection: str = setting(
        "best-val",
        "Checkpoint: best-val (mAP), last, or best-test (Rank-1, the published protocol; needs watch_test).",
        choices=("best-val", "last", "best-test"),
    )
    watch_test: bool = setting(False, "Measure the test split at every epoch too, to report the published protocol.")
    precision: str = setting(
        "float32",
        "Arithmetic of the backbone, in training and in encoding: float32, bfloat16, float16, or auto: bfloat16 where this "
        "machine multiplies faster in it (heads, losses and similarities: float32).",
        choices=("float32", "bfloat16", "float16", "auto"),
    )
    piece: int = setting(
        0,
        "Pairs that the backbone takes at once (gradient caching); 0: the whole batch.",
        low=0,
        high=1_000_000,
        operational=True,
    )
    tokens: str = setting(
        "careful",
        "How captions become tokens: careful (special tokens in a caption are text; padding is what stands behind its end), or "
        "published (`<|endoftext|>` in a caption ends it; a word of id 0, CLIP's '!' before a symbol, counts as padding).",
        choices=("careful", "published"),
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


def check_sizes(
    settings: RetrieverSettings,
    length: int,
    patch: int | None,
    selects: bool = True,
    key: str = "retriever.text_length",
) -> None:
    """That images fall into whole patches, and that TSE has a patch and a word to select.

    Args:
        length: text tokens, of which two are start and end. patch: the checkpoint's patch size; None where not known yet.
        selects: whether the retriever has TSE. key: the setting that gives the length.

    Raises:
        InputError: names the setting.
    """
    sides = {name: getattr(settings, name) for name in ("image_height", "image_width")}
    for name, side in sides.items():
        if patch and side % patch:
            expected = f"a multiple of {patch}, the patch size of the checkpoint"
            raise InputError(
                f"config key retriever.{name}", str(side), expected, "Correct the value in the config file."
            )
    counts = {f"words ({key} {length})": length - 2}
    if patch:
        counts[f"patches ({sides['image_height']} x {sides['image_width']})"] = (
            sides["image_height"] // patch * (sides["image_width"] // patch)
        )
    for name, count in counts.items():
        if selects and int(settings.select_ratio * count) < 1:
            found, expected = f"{settings.select_ratio}, none of {count} {name}", "a share that selects one at least"
            raise InputError("config key retriever.select_ratio", found, expected, "Raise it.")
