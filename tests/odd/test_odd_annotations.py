"""Annotation files as people write them: what is refused, by record, and what is read, and how."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest
from helpers import save_official_layout
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from running import snakemake

from icl.data.annotations import read_annotations, read_benchmark
from icl.data.download import unpack
from icl.data.pairs import COLUMNS, NO_CAPTION, captions_of, images_of, inner_path, read_pairs, split_of, write_pairs
from icl.data.verify import report, verify
from icl.errors import InputError
from icl.mllm.tuning.records import build_records, heldout_records
from icl.ranking.measure import measure
from icl.report.estimate import expected_calls
from icl.retriever.encoding.given import read_given
from icl.workflow.config import load_settings

FILE = "reid_raw.json"


@pytest.fixture
def root(tmp_path):
    """Twelve images of six identities: train 0 to 3, val 4 to 7, test 8 to 11."""
    return save_official_layout("cuhk-pedes", tmp_path / "set")


def records_of(root):
    return json.loads((root / FILE).read_text())


def put(root, records):
    (root / FILE).write_text(records if isinstance(records, str) else json.dumps(records))


def with_field(number, **fields):
    """The records with some fields of one of them changed; None as a name's value takes the field out."""

    def change(records):
        records[number] |= fields
        return records

    return change


def without(field):
    def change(records):
        del records[3][field]
        return records

    return change


REFUSED = {
    "a caption is null": (with_field(3, captions=["a man", None]), "record 3, caption 1: found null"),
    "a caption is a number": (with_field(3, captions=[7]), "record 3, caption 0: found 7"),
    "a caption is a float": (with_field(3, captions=[float("nan")]), "record 3, caption 0: found NaN"),
    "a caption is true": (with_field(3, captions=[True]), "record 3, caption 0: found true"),
    "a caption is a list": (with_field(3, captions=[["a man"]]), "record 3, caption 0: found .*a man"),
    "a caption is an object": (with_field(3, captions=[{"text": "a"}]), "record 3, caption 0"),
    "a caption is empty": (with_field(3, captions=[""]), "record 3, caption 0: found a blank text"),
    "a caption is blank": (with_field(3, captions=[" \t\n"]), "record 3, caption 0: found a blank text"),
    "a caption of hard and zero-width spaces": (with_field(3, captions=["\u00a0\u200b\ufeff"]), "a blank text"),
    "a caption of control characters": (with_field(3, captions=["\x00\x07"]), "a blank text"),
    "half a character": (with_field(3, captions=["a man \ud83d"]), "half a character at 6"),
    "captions are a text": (with_field(3, captions="a man"), "'captions' of type str"),
    "captions are null": (with_field(3, captions=None), r"'captions' of type NoneType.*`\"captions\": \[\]`"),
    "captions are an object": (with_field(3, captions={"0": "a"}), "'captions' of type dict"),
    "no captions": (without("captions"), r"no field 'captions'.*`\"captions\": \[\]`"),
    "no id": (without("id"), "record 3: found no field 'id'"),
    "no path": (without("file_path"), "no field 'file_path'"),
    "no split": (without("split"), "no field 'split'"),
    "the id is true": (with_field(3, id=True), "'id' of type bool"),
    "the id is negative": (with_field(3, id=-1), "record 3: found id -1"),
    "the id is a float": (with_field(3, id=3.0), "'id' of type float"),
    "the id is a text": (with_field(3, id="0003"), "'id' of type str"),
    "the id is null": (with_field(3, id=None), "'id' of type NoneType"),
    "the id is huge": (with_field(3, id=2**63), "found id 9223372036854775808"),
    "the split is unknown": (with_field(3, split="valid"), "split 'valid'"),
    "the split is in capitals": (with_field(3, split="TRAIN"), "split 'TRAIN'"),
    "the split is a list": (with_field(3, split=["train"]), "'split' of type list"),
    "the path is a number": (with_field(3, file_path=3), "'file_path' of type int"),
    "the path climbs out": (
        with_field(3, file_path="../../x.png"),
        r"record 3, image '../../x.png': found a path that leaves",
    ),
    "the path climbs out by way of a folder": (with_field(3, file_path="train/../../x.png"), "a path that leaves"),
    "the path is absolute": (with_field(3, file_path="/etc/passwd"), "a path that leaves"),
    "the path is on a drive": (with_field(3, file_path="C:/x.png"), "a path that leaves"),
    "the path is on a drive, with backslashes": (with_field(3, file_path="C:\\x.png"), "a path that leaves"),
    "the path is on a share": (with_field(3, file_path="\\\\host\\x.png"), "backslashes"),
    "the path has backslashes": (with_field(3, file_path="train\\001_0.png"), "backslashes"),
    "the path climbs out with backslashes": (with_field(3, file_path="..\\x.png"), "backslashes"),
    "the path is empty": (with_field(3, file_path=""), "no file's name"),
    "the path is the folder": (with_field(3, file_path="."), "no file's name"),
    "the path is a folder": (with_field(3, file_path="train"), "no such file"),
    "the path ends in a slash": (with_field(3, file_path="train/001_0.png/"), "no file's name"),
    "the path goes through a file": (with_field(3, file_path="train/001_0.png/x"), "no such file"),
    "the path has a zero byte": (with_field(3, file_path="a\0b.png"), "characters that no path can have"),
    "the path has half a character": (with_field(3, file_path="\ud800.png"), "characters that no path can have"),
    "the path is too long": (with_field(3, file_path="x" * 5000), "record 3, image .*too long"),
    "no such image": (with_field(3, file_path="gone.png"), "gone.png: found no such file"),
    "an image of two identities": (
        with_field(1, file_path="train/001_0.png", id=9),
        "of id 9 that record 0 names with id 1",
    ),
    "an image in two splits": (
        with_field(4, file_path="train/001_0.png", id=1),
        "of split 'val' that record 0 names with",
    ),
    "an image of two identities, by another name": (with_field(1, file_path="./train//001_0.png", id=9), "with id 1"),
    "a record is a text": (lambda records: [*records, "x"], "record 12: found str"),
    "a record is a list": (lambda records: [[], *records], "record 0: found list"),
    "a record is null": (lambda records: [None], "record 0: found NoneType"),
    "no records": (lambda records: [], "an empty list"),
    "an object of lists": (lambda records: {"train": records}, "found dict; expected a non-empty list"),
    "a line a record": (lambda records: "\n".join(map(json.dumps, records)), "no valid JSON"),
    "a cut file": (lambda records: json.dumps(records)[:-40], "no valid JSON"),
    "an empty file": (lambda records: "", "no valid JSON"),
    "brackets without end": (lambda records: "[" * 100_000, "no valid JSON"),
    "an id of 5000 digits": (lambda records: '[{"id": ' + "9" * 5000 + "}]", "no valid JSON"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_annotation_is_refused_by_its_place(name, root):
    change, what = REFUSED[name]
    put(root, change(records_of(root)))
    with pytest.raises(InputError, match=f"(?s){what}") as refused:
        read_annotations("cuhk-pedes", root)
    assert refused.value.remedy and (FILE in str(refused.value) or "train" in str(refused.value))
    found = verify("cuhk-pedes", root, generated=True)
    assert found["status"] == "refused" and found["problem"] == str(refused.value)
    assert "## mine: refused" in report({"mine": found}, {"mine": "cuhk-pedes"})


@pytest.mark.parametrize("encoding", ["utf-16", "latin-1"])
def test_another_encoding_is_refused(encoding, root):
    text = (root / FILE).read_text().replace("person", "pérson")
    (root / FILE).write_bytes(json.dumps(json.loads(text), ensure_ascii=False).encode(encoding))
    with pytest.raises(InputError, match="no valid JSON"):
        read_annotations("cuhk-pedes", root)


def test_a_folder_in_the_files_place_and_missing_images_are_missing(root):
    shutil.rmtree(root / "imgs")
    assert verify("cuhk-pedes", root, generated=True)["status"] == "missing"
    (root / FILE).unlink()
    (root / FILE).mkdir()
    assert verify("cuhk-pedes", root, generated=True)["status"] == "missing"


READ = {
    "unknown fields": with_field(3, camera="c1", note=None, processed_tokens=7),
    "equal captions": with_field(3, captions=["a man", "a man", "a man"]),
    "markup in a caption": with_field(3, captions=[r"a $100 shirt_{2} | <b> `x` \frac #1 100% ~ ^ & {}"]),
    "other scripts": with_field(3, captions=["一个穿红色外套的男人", "رجل", "a man 👩🏽‍🦰", "é", "..."]),
    "a caption of 20,000 words": with_field(3, captions=["a man " * 10_000]),
    "the words nan and null": with_field(3, captions=["nan", "null", "None", "NA", ""[:0] + "1"]),
    "an id of 63 bits": with_field(3, id=2**63 - 1),
    "identity 0": with_field(3, id=0),
    "a dot in the path": with_field(3, file_path="./train/../train/002_1.png"),
}


@pytest.mark.parametrize("name", READ)
def test_what_is_unusual_and_right_is_read_as_it_stands(name, root, tmp_path):
    records = READ[name](records_of(root))
    put(root, records)
    write_pairs(read_annotations("cuhk-pedes", root), tmp_path / "pairs.parquet")
    pairs = read_pairs(tmp_path / "pairs.parquet")
    assert pairs.caption.tolist() == [caption for record in records for caption in record["captions"]]
    assert pairs.pid.tolist() == [record["id"] for record in records for _ in record["captions"]]
    assert pairs.image[pairs.image_id == 3].eq("train/002_1.png").all()
    assert verify("cuhk-pedes", root, generated=True)["status"] == "ok"


def test_a_mark_at_the_files_beginning_is_passed_over(root):
    expected = read_annotations("cuhk-pedes", root)
    (root / FILE).write_bytes(b"\xef\xbb\xbf" + (root / FILE).read_bytes())
    pd.testing.assert_frame_equal(read_annotations("cuhk-pedes", root), expected)


def one_record_a_caption(records):
    return [{**record, "captions": [caption]} for record in records for caption in record["captions"]]


REPEATED = {
    "one record a caption": (one_record_a_caption, {"train": 4, "val": 4, "test": 4}),
    "a record again": (
        lambda records: [*records, {**records[0], "captions": ["again"]}],
        {"train": 1, "val": 0, "test": 0},
    ),
    "again with a dot": (
        lambda records: [*records, {**records[8], "file_path": "./test/005_0.png", "captions": ["again"]}],
        {"train": 0, "val": 0, "test": 1},
    ),
    "again with two slashes": (
        lambda records: [*records, {**records[8], "file_path": "test//005_0.png"}],
        {"train": 0, "val": 0, "test": 1},
    ),
    "again without captions": (
        lambda records: [{**records[8], "captions": []}, *records],
        {"train": 0, "val": 0, "test": 1},
    ),
}


@pytest.mark.parametrize("name", REPEATED)
def test_an_image_that_is_named_twice_counts_once(name, root):
    once = read_annotations("cuhk-pedes", root)
    change, repeated = REPEATED[name]
    records = change(records_of(root))
    put(root, records)
    found = read_benchmark("cuhk-pedes", root)
    assert found.repeated == repeated
    for split in ("train", "val", "test"):
        rows = split_of(found.pairs, split)
        assert images_of(rows).image.tolist() == images_of(split_of(once, split)).image.tolist()
        said = [c for record in records if record["split"] == split for c in record["captions"]]
        assert captions_of(rows).caption.tolist() == said
    assert (found.pairs.caption_id != NO_CAPTION).all() and found.pairs.caption_id.is_monotonic_increasing
    checked = verify("cuhk-pedes", root, generated=True)
    assert checked["status"] == "differs" and "name an image again" in " ".join(checked["differences"])


def test_names_that_differ_by_case_are_one_image_only_where_they_are_one_file(root):
    records = records_of(root)
    folder = root / "imgs" / "train"
    (folder / "001_0.PNG").hardlink_to(folder / "001_0.png")  # as a file system that does not tell them apart
    Image.new("RGB", (8, 16)).save(folder / "001_1.PNG")
    for name, count in (("train/001_0.PNG", 4), ("train/001_1.PNG", 5)):
        put(root, [*records, {**records[0], "file_path": name}])
        assert len(images_of(split_of(read_annotations("cuhk-pedes", root), "train"))) == count


def test_links_inside_the_folder_are_followed(root, tmp_path):
    (root / "imgs").rename(tmp_path / "elsewhere")
    (root / "imgs").symlink_to(tmp_path / "elsewhere")
    assert len(read_annotations("cuhk-pedes", root)) == 24


@pytest.fixture
def distracted(root):
    """Three further images of the test split, two of val and one of train, without captions."""
    records = records_of(root)
    for number, split in enumerate(["test", "test", "test", "val", "val", "train"]):
        name = f"{split}/x{number}.png"
        Image.new("RGB", (8, 16)).save(root / "imgs" / name)
        place = 0 if number == 0 else len(records)
        records.insert(place, {"split": split, "id": 100 + number, "file_path": name, "captions": []})
    put(root, records)
    return root


def test_images_without_captions_stand_in_the_gallery(distracted, tmp_path):
    pairs = read_annotations("cuhk-pedes", distracted)
    write_pairs(pairs, tmp_path / "pairs.parquet")
    pairs = read_pairs(tmp_path / "pairs.parquet")
    rows = split_of(pairs, "test")
    assert len(images_of(rows)) == 7 and len(captions_of(rows)) == 8 and len(rows) == 11
    assert captions_of(pairs).caption_id.tolist() == list(range(24))
    assert images_of(rows).image_id.tolist() == rows.drop_duplicates("image_id").image_id.sort_values().tolist()
    assert captions_of(rows).caption.notna().all()
    found = verify("cuhk-pedes", distracted, generated=True)
    assert found["status"] == "differs" and "test: 3 images without captions" in " ".join(found["differences"])
    test = found["splits"]["test"]
    assert (test["images"], test["captions"], test["images_without_captions"], test["identities"]) == (7, 8, 3, 5)


def test_metrics_see_the_further_images(distracted, tmp_path):
    rows = split_of(read_annotations("cuhk-pedes", distracted), "test")
    gallery, captions = images_of(rows), captions_of(rows)
    right = (captions.pid.to_numpy()[:, None] == gallery.pid.to_numpy()).astype(np.float32)
    decoy = (gallery.pid >= 100).to_numpy()
    np.save(tmp_path / "test.npy", right + 2 * decoy)
    found = read_given(tmp_path / "test.npy", rows)
    assert found.scores.shape == (8, 7) and set(found.text_pids) == {5, 6}
    assert measure(found.scores, found.text_pids, found.image_pids)["rank1"] == 0, "the decoys come first"
    np.save(tmp_path / "test.npy", right)
    found = read_given(tmp_path / "test.npy", rows)
    measured = measure(found.scores, found.text_pids, found.image_pids)
    assert (measured["rank1"], measured["queries"], measured["gallery"]) == (100, 8, 7)
    np.save(tmp_path / "test.npy", np.ones((8, 4)))
    with pytest.raises(InputError, match="expected.*8, 7"):
        read_given(tmp_path / "test.npy", rows)


def test_embeddings_hold_the_further_images(distracted):
    torch = pytest.importorskip("torch")
    from icl.retriever.encoding import embeddings as encoding

    rows = split_of(read_annotations("cuhk-pedes", distracted), "test")

    class Tokenizer:
        def encode(self, texts):
            assert all(isinstance(text, str) for text in texts)
            return torch.arange(4).expand(len(texts), -1)  # the end has the greatest id

    class Model:
        backbone = type("B", (), {"image_positions": torch.zeros(1)})

        def encode_images(self, pixels):
            return pixels.flatten(1)[:, :3], pixels.flatten(1)[:, :2]

        def encode_texts(self, ids):
            return ids[:, :3].float(), ids[:, :2].float()

    store = encoding.ImageStore(distracted / "imgs", images_of(rows).image.tolist(), 8, 4)
    found = encoding.embed(Model(), Tokenizer(), rows, store)
    assert found.image_bge.shape == (7, 3) and found.text_bge.shape == (8, 3) and found.scores.shape == (8, 7)
    assert found.image_ids.tolist() == images_of(rows).image_id.tolist() and NO_CAPTION not in found.caption_ids


def test_sft_records_take_their_negatives_among_them_and_no_question(distracted):
    pairs = read_annotations("cuhk-pedes", distracted)
    train, val = pairs[pairs.split == "train"], pairs[pairs.split == "val"]
    negatives = {int(i): ["train/x5.png"] for i in captions_of(train).caption_id}
    records = build_records(train, set(negatives), negatives, 100, seed=0)
    assert len(records) == 16 and {r["image"] for r in records if r["kind"] == "hard"} == {"train/x5.png"}
    asked = heldout_records(val, {int(i): ["val/x3.png"] for i in captions_of(val).caption_id}, seed=0)
    assert len(asked) == 24 and all(isinstance(record["caption"], str) for record in asked)
    assert any(record["image"].startswith("val/x") for record in asked if record["kind"] == "easy")


def test_the_estimate_asks_nothing_about_missing_captions(distracted):
    pairs = read_annotations("cuhk-pedes", distracted)
    known = load_settings({"datasets": {"x": {"root": "y"}}, "methods": ["ICL", "ICL+THI"]})
    calls = expected_calls(known, {"x": pairs}).set_index(["stage", "task"]).calls
    assert calls["RDA"].to_dict() == {"vqa": 4, "aggregate": 8, "decompose": 8, "rewrite": 72}
    assert calls["thi/x/rda/lora/seed1 test"].to_dict() == {"localise": 40, "vqa": 7, "aggregate": 8}


def test_a_split_of_nothing_but_further_images_is_refused(root):
    put(
        root,
        [
            {**record, "captions": [] if record["split"] == "test" else record["captions"]}
            for record in records_of(root)
        ],
    )
    with pytest.raises(InputError, match="split 'test': found no captions"):
        split_of(read_annotations("cuhk-pedes", root), "test")


def test_a_benchmark_without_oddities_has_the_table_it_always_had(root):
    pairs = read_annotations("cuhk-pedes", root)
    rows = [
        (record["split"], record["id"], number, record["file_path"], caption)
        for number, record in enumerate(records_of(root))
        for caption in record["captions"]
    ]
    expected = pd.DataFrame(rows, columns=["split", "pid", "image_id", "image", "caption"])
    expected.insert(4, "caption_id", range(len(rows)))
    pd.testing.assert_frame_equal(pairs, expected)
    assert list(pairs) == list(COLUMNS)


@pytest.mark.parametrize("name", ["../x.png", "/etc/passwd", "C:/x.png", "a\\b.png", "", "a/.."])
def test_a_pairs_table_from_elsewhere_cannot_lead_out_either(name, root, tmp_path):
    write_pairs(read_annotations("cuhk-pedes", root).assign(image=name), tmp_path / "pairs.parquet")
    with pytest.raises(InputError, match="pairs.parquet"):
        read_pairs(tmp_path / "pairs.parquet")


@pytest.mark.parametrize("content", [b"", b"PAR1", b"x" * 100])
def test_a_damaged_pairs_table_is_named(content, tmp_path):
    (tmp_path / "pairs.parquet").write_bytes(content)
    with pytest.raises(InputError, match="pairs.parquet: found no readable parquet file"):
        read_pairs(tmp_path / "pairs.parquet")


@pytest.mark.parametrize(
    "content", [b"PK\x03\x04" + bytes(30), b"\x1f\x8b" + bytes(30), b"", b"PK\x05\x06" + b"\xff" * 18]
)
def test_a_damaged_archive_is_named(content, tmp_path):
    (tmp_path / "set.zip").write_bytes(content)
    with pytest.raises(InputError, match="set.zip"):
        unpack(tmp_path / "set.zip", tmp_path / "out")


@pytest.mark.slow
def test_a_job_ends_with_the_place_and_a_run_says_what_it_passed_over(distracted, tmp_path):
    config = tmp_path / "c.yaml"
    config.write_text(json.dumps({"datasets": {"mine": {"root": str(distracted)}}}))
    asked = ("results/pairs/mine.parquet", "verify", "--configfile", str(config))
    done = snakemake(tmp_path, *asked)
    assert done.returncode == 0 and "mine: test: 3 images without captions" in done.stderr
    assert "## mine: differs" in done.stderr
    put(distracted, with_field(3, captions=[None])(records_of(distracted)))
    done = snakemake(tmp_path, *asked, "--keep-going")
    assert done.returncode != 0 and "Traceback" not in done.stderr
    assert "record 3, caption 0: found null" in done.stderr and "## mine: refused" in done.stderr


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
NAMES = [
    "a.png",
    "./a.png",
    "b/c.png",
    "b//c.png",
    "b/../a.png",
    "d.png",
    "empty.png",
    "b",
    "../out.png",
    "/etc/passwd",
]
RECORD = st.fixed_dictionaries(
    {
        "split": st.sampled_from(["train", "val", "test"]),
        "id": st.integers(0, 3),
        "file_path": st.sampled_from(NAMES[:6]),
        "captions": st.lists(st.sampled_from(["a man", "a woman", "nan", "$x_{1}$", "é"]), max_size=3),
    },
    optional={"note": JSON},
)
ODD = {
    "split": st.sampled_from(["train", "dev", ""]) | JSON,
    "id": st.integers() | JSON,
    "file_path": st.sampled_from(NAMES) | st.text(st.characters(), max_size=12) | JSON,
    "captions": st.lists(st.text(st.characters(), max_size=6) | JSON, max_size=3) | JSON,
}


@st.composite
def nearly_right(draw):
    """Records of the right shape, of which at most two are spoilt."""
    records = draw(st.lists(RECORD, min_size=1, max_size=8))
    for _ in range(draw(st.integers(0, 2))):
        number, field = draw(st.integers(0, len(records) - 1)), draw(st.sampled_from(list(ODD)))
        what = draw(st.sampled_from(["field", "field", "field", "gone", "record"]))
        if what == "record" or not isinstance(records[number], dict):
            records[number] = draw(JSON)
        elif what == "gone":
            records[number].pop(field, None)
        else:
            records[number][field] = draw(ODD[field])
    return records


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(records=nearly_right())
def test_any_json_gives_a_table_or_an_input_error(records, tmp_path_factory):
    root = tmp_path_factory.getbasetemp() / "random"
    if not root.exists():
        (root / "imgs" / "b").mkdir(parents=True)
        for name in ("a.png", "b/c.png", "d.png"):
            Image.new("RGB", (4, 4)).save(root / "imgs" / name)
        (root / "imgs" / "empty.png").touch()
        Image.new("RGB", (4, 4)).save(root / "out.png")
    put(root, records)
    try:
        pairs = read_annotations("cuhk-pedes", root)
    except InputError as error:
        assert error.where and error.found and error.expected and error.remedy
        return
    write_pairs(pairs, root / "pairs.parquet")
    again = read_pairs(root / "pairs.parquet")
    pd.testing.assert_frame_equal(again, pairs)
    said = [caption for record in records for caption in record["captions"]]
    assert captions_of(pairs).caption.tolist() == said
    images = pairs.drop_duplicates("image_id")
    assert images.image.is_unique and set(images.image) <= {"a.png", "b/c.png", "d.png"}
    assert pairs.groupby("image_id").pid.nunique().max() == 1 and pairs.pid.ge(0).all()
    for split in pairs.split.unique():
        if not captions_of(pairs[pairs.split == split]).empty:
            assert set(images_of(split_of(pairs, split)).image_id) == set(pairs[pairs.split == split].image_id)


PARTS = st.lists(st.sampled_from(["..", ".", "a", "/", "\\", "C:"])).map("/".join)


@given(name=st.text(st.characters(), max_size=30) | PARTS)
@settings(max_examples=300, deadline=None)
def test_any_path_stays_inside_or_is_refused(name, tmp_path_factory):
    base = tmp_path_factory.getbasetemp()
    try:
        inner = inner_path(name, "file, record 0")
    except InputError as error:
        assert error.where.startswith("file, record 0, image")
    else:
        assert (base / inner).absolute().is_relative_to(base) and ".." not in inner.split("/") and inner.encode()
