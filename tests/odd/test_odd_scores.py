"""Scores and embeddings that people bring: each form is taken as what it says, or refused by file and array."""

import io
import pickle
import zipfile

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from icl.errors import InputError
from icl.ranking.measure import measure, rank1_interval
from icl.ranking.metrics import retrieval_metrics
from icl.ranking.scores import MatrixScores, blocks, top_candidates
from icl.retriever.encoding.given import open_scores, read_given
from icl.retriever.encoding.vectors import Embeddings
from icl.retriever.mining import top_k_negatives
from icl.retriever.training.data import noise_index

IMAGES = np.repeat([10, 11, 12], 2)
ROWS = pd.DataFrame(
    {
        "split": "test",
        "pid": IMAGES - 9,
        "image_id": IMAGES,
        "image": [f"{i}.png" for i in IMAGES],
        "caption_id": np.arange(6),
        "caption": "a man",
    }
)
"""3 images, 2 captions each."""
RIGHT = np.random.default_rng(0).uniform(-0.9, 0.9, (6, 3)).round(3)
TEXT, IMAGE = (np.random.default_rng(1).normal(size=(n, 5)) for n in (6, 3))


def taken(path):
    """What is read: finite float rows, on which metrics and candidates can be computed."""
    found = read_given(path, ROWS).scores
    rows = np.concatenate(list(blocks(found)))
    assert rows.shape == (6, 3) and rows.dtype in (np.float32, np.float64) and np.isfinite(rows).all()
    measure(found, ROWS.pid.to_numpy(), np.array([1, 2, 3]))
    return rows


@pytest.mark.parametrize(
    "array",
    [
        pytest.param(RIGHT, id="float64"),
        pytest.param(RIGHT.astype(np.float32), id="float32"),
        pytest.param(RIGHT.astype(np.float16), id="float16"),
        pytest.param(RIGHT.astype(np.longdouble), id="longdouble"),
        pytest.param(RIGHT.astype(">f8"), id="big-endian"),
        pytest.param((RIGHT > 0).astype(np.int64), id="int64"),
        pytest.param((RIGHT > 0).astype(np.uint8), id="uint8"),
        pytest.param((100 * RIGHT).astype(np.int8), id="percent"),
        pytest.param(np.asfortranarray(RIGHT), id="Fortran order"),
        pytest.param(RIGHT[::-1], id="a view"),
        pytest.param(np.ascontiguousarray(RIGHT.T).T, id="transposed"),
        pytest.param(np.zeros((6, 3)), id="all alike"),
        pytest.param(np.ma.masked_array(RIGHT, RIGHT > 2).data, id="masked"),
    ],
)
@pytest.mark.parametrize("form", ["npy", "npz", "npz by the name of npy", "npy by the name of npz"])
def test_real_numbers_are_taken(tmp_path, array, form):
    content, path = io.BytesIO(), tmp_path / f"test.{form[-3:]}"
    if form.startswith("npz"):
        np.savez(content, similarity=array)
    else:
        np.save(content, array)
    path.write_bytes(content.getvalue())
    np.testing.assert_allclose(taken(path), array.astype(np.float64), rtol=1e-3)


def test_unsigned_similarities_are_ranked_as_numbers():
    """The highest first: the negative of an unsigned number is not its opposite."""
    matrix = np.array([[0, 200, 100], [3, 2, 1]], dtype=np.uint8)
    assert top_candidates(MatrixScores(matrix), 3)[0].tolist() == [[1, 2, 0], [0, 1, 2]]


def test_similarities_that_are_no_cosines_are_taken_with_a_word(tmp_path, capsys):
    np.save(tmp_path / "test.npy", 40 * RIGHT)
    np.testing.assert_allclose(taken(tmp_path / "test.npy"), 40 * RIGHT)
    assert "THI sets a confirmed image to 1" in capsys.readouterr().err


def spoilt(value, kind=np.float64):
    out = RIGHT.astype(kind)
    out[2, 1] = value
    return out


RECORD = np.zeros((6, 3), dtype=[("score", "f8"), ("id", "i8")])


@pytest.mark.parametrize(
    ("array", "said"),
    [
        pytest.param(RIGHT.astype(object), "Object arrays|Python objects", id="object"),
        pytest.param(RIGHT > 0, "similarity of bool", id="bool"),
        pytest.param(RIGHT.astype(str), "similarity of <U", id="text"),
        pytest.param(RIGHT.astype(bytes), "similarity of |similarity of S", id="bytes"),
        pytest.param(RIGHT.astype(complex), "similarity of complex128", id="complex"),
        pytest.param(RIGHT.astype("M8[s]"), "similarity of datetime64", id="dates"),
        pytest.param(RECORD, "similarity of ", id="records"),
        pytest.param(spoilt(np.nan), "not finite", id="NaN"),
        pytest.param(spoilt(np.inf), "not finite", id="infinity"),
        pytest.param(spoilt(-np.inf, np.float16), "not finite", id="infinity in float16"),
        pytest.param(RIGHT.T, r"shape \(3, 6\).*\(6, 3\)", id="transposed"),
        pytest.param(RIGHT[:5], r"shape \(5, 3\)", id="a caption short"),
        pytest.param(RIGHT[:, :2], r"shape \(6, 2\)", id="an image short"),
        pytest.param(RIGHT[None], r"shape \(1, 6, 3\)", id="three dimensions"),
        pytest.param(RIGHT.ravel(), r"shape \(18,\)", id="flat"),
        pytest.param(np.float64(0.5), r"shape \(\)", id="one number"),
        pytest.param(np.zeros((0, 3)), "test.np", id="empty"),
        pytest.param(np.zeros((6, 0)), "test.np", id="no images"),
    ],
)
@pytest.mark.parametrize("form", ["npy", "npz"])
def test_what_is_no_similarity_is_named(tmp_path, array, said, form):
    path = tmp_path / f"test.{form}"
    if form == "npz":
        np.savez(path, similarity=array)
    else:
        np.save(path, array)
    with pytest.raises(InputError, match=said) as caught:
        read_given(path, ROWS)
    assert str(path) in str(caught.value) and caught.value.remedy


class Evil:
    def __reduce__(self):
        return print, ("executed",)


def zip_of(**entries) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, content in entries.items():
            archive.writestr(name.replace("_dot_", "."), content)
    return out.getvalue()


def saved(write, *arguments, **named) -> bytes:
    out = io.BytesIO()
    write(out, *arguments, **named)
    return out.getvalue()


NPY, NPZ = saved(np.save, RIGHT), saved(np.savez, similarity=RIGHT)
TORCH, LEGACY = io.BytesIO(), io.BytesIO()
torch.save(torch.tensor(RIGHT), TORCH)
torch.save(torch.tensor(RIGHT), LEGACY, _use_new_zipfile_serialization=False)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        pytest.param(b"", "no readable NumPy file", id="empty"),
        pytest.param(NPY[: len(NPY) // 2], "no readable NumPy file", id="npy cut in half"),
        pytest.param(NPY[:40], "no readable NumPy file", id="npy cut in its header"),
        pytest.param(NPZ[: len(NPZ) // 2], "no readable NumPy file", id="npz cut in half"),
        pytest.param(NPZ.replace(NPY[100:140], b"\0" * 40), "no readable NumPy file", id="npz with a wrong checksum"),
        pytest.param(TORCH.getvalue(), "a file of torch.save", id="torch"),
        pytest.param(LEGACY.getvalue(), "no readable NumPy file", id="torch, older form"),
        pytest.param(pickle.dumps(RIGHT), "no readable NumPy file", id="a pickle"),
        pytest.param(pickle.dumps(Evil()), "no readable NumPy file", id="a pickle that would run"),
        pytest.param(zip_of(), "a zip of nothing|no readable", id="an empty zip"),
        pytest.param(zip_of(readme_dot_txt=b"hello"), "a zip of readme.txt", id="another zip"),
        pytest.param(zip_of(similarity_dot_npy=b"hello"), "no readable NumPy file", id="npz with no array in it"),
        pytest.param(
            zip_of(similarity_dot_npy=pickle.dumps(Evil())), "no readable NumPy", id="npz with a pickle in it"
        ),
        pytest.param(b"0.1,0.2,0.3\n" * 6, "no readable NumPy file", id="CSV"),
        pytest.param(b"\x93NUMPY\x09\x00" + NPY[8:], "no readable NumPy file", id="a version to come"),
        pytest.param(
            NPY.replace(b"(6, 3)", b"(6, 9)"), "no readable NumPy file|shape", id="a header that promises more"
        ),
        pytest.param(NPY.replace(b"(6, 3)", b"(6,-3)"), "test.np", id="a negative size"),
        pytest.param(saved(np.savez, RIGHT), "arrays arr_0", id="npz without names"),
        pytest.param(saved(np.savez, text=TEXT), "arrays text", id="texts alone"),
        pytest.param(saved(np.savez, Similarity=RIGHT), "arrays Similarity", id="another spelling"),
    ],
)
@pytest.mark.parametrize("name", ["test.npy", "test.npz"])
def test_what_is_no_numpy_file_is_named(tmp_path, content, said, name, capsys):
    (tmp_path / name).write_bytes(content)
    for read in (lambda: read_given(tmp_path / name, ROWS), lambda: open_scores(tmp_path, "test", ROWS)):
        with pytest.raises(InputError, match=said) as caught:
            read()
        assert str(tmp_path / name) in str(caught.value)
    assert "executed" not in capsys.readouterr().out


def test_a_folder_or_nothing_in_place_of_a_file_is_named(tmp_path):
    (tmp_path / "test.npy").mkdir()
    with pytest.raises(InputError, match="test.npy"):
        read_given(tmp_path / "test.npy", ROWS)
    with pytest.raises(InputError, match="val.npy.*no such file"):
        open_scores(tmp_path, "val", ROWS)


IDS = {"caption_ids": np.arange(6), "image_ids": np.array([10, 11, 12])}


@pytest.mark.parametrize(
    "ids",
    [
        pytest.param({}, id="none"),
        pytest.param(IDS, id="in order"),
        pytest.param({name: ids.astype(np.uint16) for name, ids in IDS.items()}, id="uint16"),
        pytest.param({name: ids.astype(float) for name, ids in IDS.items()}, id="whole floats"),
        pytest.param({"image_ids": IDS["image_ids"]}, id="one of the two"),
    ],
)
def test_ids_in_order(tmp_path, ids):
    np.savez(tmp_path / "test.npz", similarity=RIGHT, **ids)
    np.testing.assert_array_equal(taken(tmp_path / "test.npz"), RIGHT)


def test_ids_in_another_order_move_rows_and_columns(tmp_path):
    rows, columns = np.array([5, 3, 1, 0, 2, 4]), np.array([2, 0, 1])
    ids = {"caption_ids": rows, "image_ids": IDS["image_ids"][columns]}
    np.savez(tmp_path / "test.npz", similarity=RIGHT[rows][:, columns].astype(np.float32), **ids)
    np.testing.assert_array_equal(taken(tmp_path / "test.npz"), RIGHT.astype(np.float32))


@pytest.mark.parametrize(
    ("name", "ids", "said"),
    [
        pytest.param("image_ids", np.array(["10.png", "11.png", "12.png"]), "image_ids of <U6", id="names"),
        pytest.param("image_ids", np.array(["10", "11", "12"]), "image_ids of <U2", id="numbers as text"),
        pytest.param("image_ids", np.array([10, 11, 12], dtype=object), "objects|Object", id="objects"),
        pytest.param("image_ids", np.array([True, False, True]), "image_ids of bool", id="bool"),
        pytest.param("image_ids", np.array([10, 11.5, 12]), "image_ids of float64", id="halves"),
        pytest.param("image_ids", np.array([10, np.nan, 12]), "image_ids of float64", id="NaN"),
        pytest.param("image_ids", np.array([[10, 11, 12]]), r"shape \(1, 3\)", id="two dimensions"),
        pytest.param("image_ids", np.int64(10), r"shape \(\)", id="one number"),
        pytest.param("image_ids", np.array([10, 11, 11]), "1 of the split's 3 are missing", id="one twice"),
        pytest.param("image_ids", np.array([10, 11, 12, 12]), "4 image_ids", id="one more"),
        pytest.param("image_ids", np.array([10, 11]), "1 of the split's 3 are missing", id="one less"),
        pytest.param("image_ids", np.array([0, 1, 2]), "3 of the split's 3 are missing", id="counted from 0"),
        pytest.param("image_ids", np.zeros(0, dtype=int), "3 of the split's 3 are missing", id="empty"),
        pytest.param("caption_ids", np.arange(1, 7), "1 of the split's 6 are missing", id="captions from 1"),
        pytest.param("caption_ids", np.arange(6) + 0j, "caption_ids of complex128", id="complex"),
    ],
)
def test_ids_that_are_not_the_splits_are_named(tmp_path, name, ids, said):
    np.savez(tmp_path / "test.npz", similarity=RIGHT, **{name: ids})
    with pytest.raises(InputError, match=said) as caught:
        read_given(tmp_path / "test.npz", ROWS)
    assert "test.npz" in str(caught.value)


@pytest.mark.parametrize(
    "scale",
    [1.0, 1e-200, 1e200, np.float16(3), np.float32(1e-30)],
    ids=["1", "tiny", "huge", "float16", "float32 tiny"],
)
def test_embeddings_of_any_length(tmp_path, scale):
    kind = np.asarray(scale).dtype
    text, image = ((scale * x.astype(kind)).astype(kind) for x in (TEXT, IMAGE))
    np.savez(tmp_path / "test.npz", text=text, image=image)
    unit = lambda x: x / np.linalg.norm(x, axis=1, keepdims=True)  # noqa: E731
    np.testing.assert_allclose(taken(tmp_path / "test.npz"), unit(TEXT) @ unit(IMAGE).T, atol=2e-3)


@pytest.mark.parametrize(
    ("text", "image", "said"),
    [
        pytest.param(TEXT[:, :4], IMAGE, r"text of shape \(6, 4\)", id="other widths"),
        pytest.param(TEXT[0], IMAGE, r"text of shape \(5,\)", id="one row"),
        pytest.param(np.float32(1), IMAGE, r"text of shape \(\)", id="one number"),
        pytest.param(TEXT[None], IMAGE, r"text of shape \(1, 6, 5\)", id="three dimensions"),
        pytest.param(TEXT, np.zeros((3, 5)), "image with rows of length 0", id="zeros"),
        pytest.param(TEXT, np.zeros((3, 0)), "image with rows of length 0", id="no width"),
        pytest.param(TEXT, np.full((3, 5), np.nan), "image with rows of length 0 or NaN", id="NaN"),
        pytest.param(TEXT, np.full((3, 5), np.inf), "image with rows of length 0 or NaN", id="infinity"),
        pytest.param(TEXT + 0j, IMAGE, "text of complex128", id="complex"),
        pytest.param(TEXT.astype(str), IMAGE, "text of <U", id="text"),
        pytest.param(TEXT > 0, IMAGE, "text of bool", id="bool"),
        pytest.param(TEXT, IMAGE.repeat(2, 0), r"image of shape \(6, 5\)", id="an image a caption"),
    ],
)
def test_what_is_no_embedding_is_named(tmp_path, text, image, said):
    np.savez(tmp_path / "test.npz", text=text, image=image)
    with pytest.raises(InputError, match=said):
        read_given(tmp_path / "test.npz", ROWS)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    array=hnp.arrays(
        dtype=hnp.scalar_dtypes() | hnp.unicode_string_dtypes(max_len=3) | hnp.byte_string_dtypes(max_len=3),
        shape=st.sampled_from([(6, 3), (3, 6), (6,), (), (6, 3, 1), (0, 3)]),
    ),
    name=st.sampled_from(["similarity", "text", "image", "caption_ids", "image_ids"]),
    packed=st.booleans(),
)
def test_any_array_is_taken_or_named(tmp_path, array, name, packed):
    path = tmp_path / ("test.npz" if packed else "test.npy")
    path.unlink(missing_ok=True)
    if packed:
        base = {"text": TEXT, "image": IMAGE} if name in ("text", "image") else {"similarity": RIGHT}
        np.savez(path, **{**base, name: array})
    else:
        np.save(path, array)
    try:
        found = read_given(path, ROWS)
    except InputError as error:
        assert str(path) in str(error)
    else:
        rows = np.concatenate(list(blocks(found.scores)))
        assert rows.shape == (6, 3) and rows.dtype.kind == "f" and np.isfinite(rows).all()


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    form=st.sampled_from([NPY, NPZ]), place=st.integers(0, 500), removed=st.integers(0, 80), put=st.binary(max_size=20)
)
def test_damaged_files_are_taken_or_named(tmp_path, form, place, removed, put):
    content = bytearray(form)
    content[place : place + removed] = put
    for name in ("test.npy", "test.npz"):
        (tmp_path / name).write_bytes(content)
        for read in (taken, lambda path: open_scores(path.parent, "test", ROWS)):
            try:
                read(tmp_path / name)
            except InputError as error:
                assert str(tmp_path) in str(error)


@pytest.mark.parametrize(
    "edit", [lambda c: b"", lambda c: c[: len(c) // 2], lambda c: b"PK" + b"\0" * 90, lambda c: NPZ]
)
def test_damaged_embeddings_of_our_own_say_how_to_get_new_ones(tmp_path, edit):
    own = [np.ones((n, 4), dtype=np.float32) for n in (3, 3, 6, 6)]
    Embeddings(*own, *(np.arange(n) for n in (3, 3, 6, 6))).save(tmp_path / "test.npz")
    (tmp_path / "test.npz").write_bytes(edit((tmp_path / "test.npz").read_bytes()))
    with pytest.raises(InputError, match="test.npz.*run again"):
        Embeddings.load(tmp_path / "test.npz")


@pytest.mark.parametrize(
    ("index", "said"),
    [
        pytest.param(np.arange(5), "shape", id="short"),
        pytest.param(np.zeros(6, dtype=int), "permutation", id="repeats"),
        pytest.param(np.arange(6.0), "array of float64", id="floats"),
        pytest.param(np.arange(6).astype(str), "array of <U", id="text"),
        pytest.param(np.arange(6).astype(object), "no readable", id="objects"),
        pytest.param(np.arange(6)[None], "shape", id="two dimensions"),
        pytest.param(np.arange(-1, 5), "permutation", id="negative"),
    ],
)
def test_odd_noise_files_are_named(tmp_path, index, said):
    path = tmp_path / "noise.npy"
    np.save(path, index)
    with pytest.raises(InputError, match=said) as caught:
        noise_index(6, 0.5, str(path), 1)
    assert "noise.npy" in str(caught.value)


def test_missing_and_damaged_noise_files_are_named(tmp_path):
    with pytest.raises(InputError, match="noise.npy.*no such file"):
        noise_index(6, 0.5, str(tmp_path / "noise.npy"), 1)
    (tmp_path / "noise.npy").write_bytes(b"\x93NUMPY")
    with pytest.raises(InputError, match="noise.npy.*no readable"):
        noise_index(6, 0.5, str(tmp_path / "noise.npy"), 1)


@pytest.mark.parametrize(
    ("scores", "queries", "gallery", "said"),
    [
        pytest.param(np.zeros((1, 2)), [7], [1, 2], "identity 7 without an image", id="nobody to find"),
        pytest.param(np.full((1, 2), np.nan), [1], [1, 2], "not finite", id="NaN"),
        pytest.param(np.zeros((1, 2)), [1, 2], [1, 2], "1 rows", id="a row short"),
    ],
)
def test_metrics_name_what_they_cannot_measure(scores, queries, gallery, said):
    with pytest.raises(InputError, match=said):
        retrieval_metrics(scores, np.array(queries), np.array(gallery))


def test_one_query_and_one_image_are_measured():
    found = measure(MatrixScores(np.array([[0.5]])), np.array([1]), np.array([1]))
    assert found["rank1"] == found["rank10"] == 100 and rank1_interval(found, 5) == (100, 100)


def test_fewer_negatives_than_asked_are_all_taken(capsys):
    scores, pids = np.array([[0.9, 0.1, 0.5], [0.2, 0.8, 0.3]]), np.array([1, 2, 2])
    found = top_k_negatives(scores, np.array([1, 2]), pids, 10)
    assert found.tolist() == [[2], [0]]
    assert "only 1 images of other identities, not 10" in capsys.readouterr().err
    assert top_k_negatives(scores[:1], np.array([1]), pids, 2).tolist() == [[2, 1]]


def test_no_negatives_at_all_are_an_input_error():
    with pytest.raises(InputError, match="identity 1 in every image"):
        top_k_negatives(np.ones((2, 3)), np.array([1, 1]), np.array([1, 1, 1]), 1)
