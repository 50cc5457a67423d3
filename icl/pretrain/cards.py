"""Model cards and checksums of the shipped models."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from icl.files import write_checksums
from icl.pretrain.settings import PretrainSettings

_TEXT = {
    "synthclip": (
        "SynthCLIP",
        "A small CLIP (transformers `CLIPModel`) that stands where CLIP ViT-B/16 stands at paper scale.",
        "Rendered photographs of further identities (no appearance of any benchmark) by tidy web-like cameras, with fresh "
        "captions at every step, in plain words: it knows no synonyms, which are left to the benchmark. Symmetric InfoNCE "
        "with a learned temperature; Muon for the layers' matrices, AdamW for the rest; warm-up and cosine. The square "
        "positional table is resized bilinearly to 12 x 6.",
        "A starting point for training a retriever on SynthPEDES. It knows rendered pedestrians only, and never saw a "
        "photograph of a real person: it is of no use on real images.",
    ),
    "synthvl": (
        "SynthVL",
        "A small `Qwen2VLForConditionalGeneration` with Qwen2-VL's own image processor and chat format, that stands where "
        "Qwen2-VL-7B-Instruct stands at paper scale.",
        "Rendered photographs of further identities (no appearance of any benchmark). Stage 1: the vision tower classifies "
        "attributes. Stage 2: the decoder learns T_aggr, T_dec and T_rwt. Stages 3 to 5, on the frozen tower: T_vqa, T_loc "
        "and the text tasks together. T_loc pairs are a photograph's own caption or one of a photograph drawn at random, "
        "never a look-alike. In stage 3 true captions are also learned as text, and a probe (dropped afterwards) makes a "
        "middle layer tell which phrase of a caption contradicts the photograph. Stage 5 makes its verdicts lenient, as a "
        "general assistant's are: Yes to a photograph's own caption with a few mistakes, No only to a caption that is "
        "mistaken in most of what it names. All dialogues about a photograph share its keys and values.",
        "Answers the project's prompts on SynthPEDES. It knows rendered pedestrians and a few hundred words; anything else "
        "gets a wrong answer in the right form.",
    ),
}


def write_card(
    name: str, settings: PretrainSettings, folder: Path, quality: dict[str, float], seconds: float | None
) -> None:
    """Write README.md (data, recipe, time, measured quality), quality.json and checksums into a model folder."""
    title, what, recipe, use = _TEXT[name]
    prefix = {"synthclip": "clip_", "synthvl": "vl_"}[name]
    numbers = {key: value for key, value in asdict(settings).items() if key.startswith(prefix) or key == "seed"}
    size = sum(path.stat().st_size for path in folder.glob("*.safetensors")) / 1e6
    lines = [f"# {title}", "", what, "", "## Data and recipe", "", recipe, "", "| setting | value |", "|---|---|"]
    lines += [f"| {key} | {value} |" for key, value in numbers.items()]
    spent = (
        f" Training took {seconds / 60:.0f} minutes on this project's two-core reference machine." if seconds else ""
    )
    lines += [
        "",
        f"Weights: {size:.1f} MB (safetensors, float32).{spent} Retrain: `snakemake --cores all pretrained`.",
        "",
    ]
    lines += ["## Quality on unseen identities", "", "| measure | value |", "|---|---|"]
    lines += [f"| {key} | {value:.3f} |" for key, value in quality.items()]
    lines += ["", "## Use and limits", "", use, "", "License: Apache-2.0, as the project.", ""]
    (folder / "README.md").write_text("\n".join(lines))
    (folder / "quality.json").write_text(json.dumps(quality, indent=1) + "\n")
    write_checksums(folder)
