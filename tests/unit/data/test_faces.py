"""Faces in published pictures: wherever they are, little of them is left."""

import random

import numpy as np
import pytest
from PIL import Image

from icl.data.faces import CELL, CELLS, HEAD, HEIGHT, masked
from icl.synthpedes.attributes import sample_shot
from icl.synthpedes.benchmark import sample_identities
from icl.synthpedes.domains import DOMAINS
from icl.synthpedes.figure import Figure
from icl.synthpedes.render import render

CHIN = 0.165
"""Below every face, in heights from the top of the head (icl/synthpedes/figure.py)."""


def shots(domain, count, seed=1):
    rng = random.Random(seed)
    people = sample_identities(rng, count, set(), DOMAINS[domain])
    return [(person, sample_shot(rng, DOMAINS[domain].camera)) for person in people]


def cells_of(box, size):
    """Rows and columns of the mosaic that a face (left, top, right, bottom) touches."""
    cell = max(size) / CELLS
    left, top, right, bottom = (edge / cell for edge in box)
    return int(np.ceil(bottom) - np.floor(top)), int(np.ceil(right) - np.floor(left))


def smaller_in_a_frame(count=60):
    """Persons at a third to all of the frame's height, anywhere in frames of any aspect, with the box of the face."""
    rng = random.Random(2)
    for person, shot in shots("city", count):
        frame = Image.effect_noise((rng.randint(150, 900), rng.randint(200, 600)), 90).convert("RGB")
        tall = int(min(frame.height, 2 * frame.width) * rng.uniform(0.33, 1))
        figure = Image.fromarray(render(person, shot)).resize((tall // 2, tall))
        left, top = rng.randint(0, frame.width - tall // 2), rng.randint(0, frame.height - tall)
        frame.paste(figure, (left, top))
        yield frame, (left + tall // 8, top, left + 3 * tall // 8, top + HEAD * tall)


def test_a_face_anywhere_in_a_photograph_has_few_cells():
    lower = 0
    for frame, box in smaller_in_a_frame():
        out = masked(frame)
        assert max(cells_of(box, frame.size)) <= 9
        lower += box[3] > 0.22 * frame.height
        rows, columns = (int(side) // CELL for side in out.shape[:2])
        cells = out.reshape(rows, CELL, columns, CELL, 3)
        assert (cells == cells[:, :1, :, :1]).all(), "a cell holds more than one colour"
    assert lower > 30, "the heads must not all be at the top, where an earlier mask was"


@pytest.mark.parametrize("size", [(48, 96), (640, 480), (1, 5000), (5000, 7), (1, 1)])
def test_the_aspect_is_kept_as_far_as_whole_cells_allow(size):
    out = masked(Image.new("RGB", size, "red"))
    height, width = out.shape[:2]
    assert max(height, width) == CELLS * CELL
    short, longer = min(height, width) / CELL, max(size)
    assert abs(short - min(size) * CELLS / longer) <= 1 and (height > width) == (size[1] > size[0])
    assert (out == (255, 0, 0)).all()


@pytest.mark.parametrize("domain", DOMAINS)
def test_no_drawn_face_lies_below_the_masked_rows(domain):
    for person, shot in shots(domain, 300):
        assert Figure(person, shot, 96, 192).at(0, CHIN)[1] <= HEAD * 192


def test_a_drawn_head_is_masked_beyond_recognition_and_the_rest_is_not():
    noise = np.random.default_rng(0).integers(0, 255, (192, 96, 3), dtype=np.uint8)
    out = masked(Image.fromarray(noise), drawn=True)
    head = out[: round(HEAD * HEIGHT)]
    assert len(np.unique(head.reshape(-1, 3), axis=0)) <= 6
    assert len(np.unique(out[len(head) :].reshape(-1, 3), axis=0)) > 1000
