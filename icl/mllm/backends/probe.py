"""What a server is asked before any work: what an image costs there, and whether its adapter does anything."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from PIL import Image

from icl.errors import InputError
from icl.mllm import prompts
from icl.mllm.backends.served import Served
from icl.mllm.protocol import YES_NO, Answer, Request
from icl.progress import announce
from icl.synthpedes.attributes import sample_family, sample_identity, sample_shot, visible
from icl.synthpedes.captions import FINE_STYLE, state, write_caption
from icl.synthpedes.domains import DOMAINS
from icl.synthpedes.render import render

LARGEST = 1_000_000
"""Pixels of the image that is tried, at most."""
MARKS = 8
"""Tokens that a chat template may put around an image."""
FIGURES = 4
"""Drawn figures that are asked about at once."""
PARTS = 8
"""How often, at most: once where the server gives probabilities, until an answer differs where it does not."""
NOISE = 0.02
"""Difference of Yes probabilities that one model may have from itself, at most: sums in another order, a cache."""


DEARER = 1.5
"""An image that costs more than so many times its tokens within the budget is told of."""


def tell_image_cost(backend: Served) -> None:
    """A line where the server makes more tokens of an image than `mllm.max_pixels` implies, by its own count of the prompt.

    Ollama enlarges images to 1,024 tokens at least; any server does to the least size that its processor is set to.
    """
    backend.identity("localise")  # what it tells of the model says how large a token is
    grid, budget = backend.grid, min(backend.settings.max_pixels, LARGEST)
    wide = max(1, int((budget / 2) ** 0.5 / grid))
    high = max(1, budget // grid**2 // wide)
    text = prompts.localise_text("A person.")
    with tempfile.TemporaryDirectory() as folder:
        picture = Path(folder) / "0.png"
        rng, domain = random.Random(0), DOMAINS["city"]
        person, shot = sample_identity(rng, domain.wardrobe), sample_shot(rng, domain.camera)
        Image.fromarray(render(person, shot, wide * grid, high * grid)).save(picture)
        counts = [backend.once(Request("localise", text, image, 4)) for image in (picture, None)]
    told = [answer.prompt_tokens for answer in counts if answer and answer.prompt_tokens]
    if len(told) < len(counts):
        return
    tokens, expected = told[0] - told[1], wide * high
    if tokens > DEARER * expected + MARKS:
        implied = f"mllm.max_pixels ({backend.settings.max_pixels:,}) implies {expected:,} of {grid} x {grid}"
        announce(
            f"WARNING MLLM server {backend.url}: an image of {wide * grid} x {high * grid} pixels costs {tokens:,} prompt "
            f"tokens, where {implied}: it is enlarged there, or cut smaller (docs/backends.md)"
        )


def require_adapter(base: Served, adapted: Served) -> None:
    """That a served adapter does something: its base is asked before and after it, and shows how far one model strays.

    Where the server gives no probabilities, equal words prove little: more of them are compared, and a line says so.

    Args:
        base: asks the model without the adapter. adapted: asks the one with it, whatever the task.

    Raises:
        InputError: every answer is the base's own: a server that answers to any name, or an adapter that is not in it.
    """
    name, plain = adapted.settings.adapter_model, base.settings.model
    where, told = f"MLLM server {base.url}", False
    with tempfile.TemporaryDirectory() as folder:
        for questions in probe_questions(Path(folder)):
            before = base.answer(questions)
            adapted.learn_from(base)
            answers, after = adapted.answer(questions), base.answer(questions)
            told = told or any(not (a.error or b.error) for a, b in zip(before, answers, strict=True))
            if not _same(before, answers, after):
                _tell_mixing(base, adapted, questions, before, after)
                return
            if any(answer.probabilities for answer in answers):
                break
    if not told:
        announce(f"WARNING {where}: no answer shows whether {name} differs from {plain}")
    elif not any(answer.probabilities for answer in answers):
        announce(f"WARNING {where}: {name} gave the words of {plain} to all questions; see that it has the adapter")
    else:
        found = f"{name} answers {len(questions)} questions exactly as {plain} does"
        remedy = (
            "Serve the adapter under this name (docs/backends.md; a llama-server with one model answers to any name: start "
            "it with --models-dir), or correct mllm.adapter_model."
        )
        raise InputError(where, found, "a model with an adapter that does something", remedy)


def _tell_mixing(
    base: Served, adapted: Served, questions: list[Request], before: list[Answer], after: list[Answer]
) -> None:
    """A line where the base answers otherwise while the adapter is asked beside it, as jobs do.

    vLLM 0.32 on a CPU gives rows without an adapter those of its last place for one (the index -1), if it computes them
    together with rows that have one.
    """
    if not all(answer.probabilities for answer in (*before, *after)):
        return
    with ThreadPoolExecutor(2) as pool:
        beside, _ = pool.map(lambda asked: asked[0].answer(asked[1]), ((base, questions), (adapted, questions * 2)))
    strayed = _distance(before, beside)
    if strayed > max(NOISE, 2 * _distance(before, after)):
        announce(
            f"WARNING MLLM server {base.url}: {base.settings.model} answers otherwise while {adapted.settings.adapter_model} "
            f"is asked beside it (Yes probabilities differ by up to {strayed:.2f}): start vLLM with --max-loras one higher "
            "than the number of adapters (docs/backends.md)"
        )


def for_every_task(adapted: Served) -> Served:
    """The same server, of which every question is asked of the adapter."""
    settings = replace(adapted.settings, adapter_tasks=prompts.NAMES)
    opened: Callable[..., Served] = type(adapted)
    return opened(settings, "served")


def probe_questions(folder: Path) -> Iterator[list[Request]]:
    """Some questions, and more as long as they are asked for: each figure with its own description and a look-alike's."""
    rng, domain = random.Random(0), DOMAINS["city"]
    for part in range(PARTS):
        found = []
        for k in range(FIGURES):
            family = sample_family(rng, domain.holds, domain.wardrobe, size=2)
            shot, picture = sample_shot(rng, domain.camera), folder / f"{part}-{k}.png"
            Image.fromarray(render(family[0], shot)).save(picture)
            for person in family:
                said = state(visible(person, shot), FINE_STYLE, rng)
                text = prompts.localise_text(write_caption(said, rng, domain.style.richness))
                found.append(Request("localise", text, picture, 4, YES_NO))
        yield found


def _same(before: Sequence[Answer], answers: Sequence[Answer], after: Sequence[Answer]) -> bool:
    """Whether answers are those of the base, which was asked twice: hardly farther from it than it is from itself.

    Twice that distance, as two draws of one noise differ too; none at all where it answers the same each time.
    """
    noise = min(_distance(before, after), NOISE)
    return min(_distance(before, answers), _distance(answers, after)) <= 2 * noise


def _distance(some: Sequence[Answer], others: Sequence[Answer]) -> float:
    """The greatest difference of probabilities; 1 where words differ that have none."""
    found = 0.0
    for a, b in zip(some, others, strict=True):
        if a.error or b.error:
            continue
        if a.probabilities and b.probabilities:
            found = max(found, *(abs(a.probabilities[c] - b.probabilities[c]) for c in a.probabilities))
        else:
            found = max(found, float(a.text != b.text))
    return found
