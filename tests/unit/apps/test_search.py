"""Searching one's own folder."""

import numpy as np
import pytest
from PIL import Image

from icl.apps.search import Found, image_files, page
from icl.errors import InputError


def test_a_folder_without_images_is_named(tmp_path):
    (tmp_path / "notes.txt").touch()
    with pytest.raises(InputError, match="no images"):
        image_files(tmp_path)
    with pytest.raises(InputError, match="no such folder"):
        image_files(tmp_path / "nowhere")


def test_the_page_ranks_by_the_later_similarities_and_escapes_the_query(tmp_path):
    for name in ("a.png", "b.png"):
        Image.new("RGB", (20, 40), "red").save(tmp_path / name)
    found = Found(["a.png", "b.png"], np.array([0.9, 0.1]), np.array([0.2, 0.8]), None)
    text = page("a <b> man", tmp_path, found)
    assert text.index("b.png") < text.index("a.png") and "a &lt;b&gt; man" in text and "1, was 2" in text
