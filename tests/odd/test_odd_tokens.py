"""Odd captions and tokenizers: an embedding depends on its caption alone, and a tokenizer fits its model or is refused."""

import json
from pathlib import Path

import pytest
import torch
from clip_sizes import SMALL, random_clip
from helpers import save_tiny_clip, tiny_corpus
from hypothesis import example, given, settings
from hypothesis import strategies as st

from icl.data.clip_vocabulary import SIZE, clip_tokenizer
from icl.data.tokenizer import PAD, CaptionTokenizer, ends, longest, words
from icl.errors import InputError
from icl.retriever.encoding.embeddings import encode_texts
from icl.retriever.settings import RetrieverSettings
from icl.retriever.weights.checkpoints import import_retriever, load_retriever, new_retriever, save_retriever

CLIP_SIZED = {**SMALL, "text": {**SMALL["text"], "vocab": SIZE}}
SHAPE = dict(image_height=48, image_width=24, text_length=40, tse_dim=16)
LONG = "a man in a very long red coat with a hood and a belt and two bags walking to the left " * 4


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """A CLIP with CLIP's vocabulary and no tokenizer beside it, and a small one with its own."""
    root = tmp_path_factory.mktemp("clips")
    random_clip(CLIP_SIZED, 32).save_pretrained(root / "clip")
    save_tiny_clip(root / "small", tiny_corpus())
    return {"clip": root / "clip", "small": root / "small"}


@pytest.fixture(scope="module")
def models(folders):
    out = {}
    for name, folder in folders.items():
        torch.manual_seed(0)
        model, tokenizer = new_retriever(RetrieverSettings(checkpoint=str(folder), **SHAPE))
        out[name] = model.eval(), tokenizer
    return out


def alone_and_among(model, tokenizer, text, others):
    """Embeddings of a text by itself, and as the last of a batch."""
    alone = encode_texts(model, tokenizer, [text])
    among = [part[-1:] for part in encode_texts(model, tokenizer, [*others, text])]
    return alone, among


ODD_TEXTS = [
    "a man in a red coat!\U0001f600",
    "! — ",
    "!",
    "!\U0001f600!\U0001f600!",
    "",
    " ",
    "\n\t",
    "\x00",
    "\x00\x01\x02",
    "<|startoftext|>",
    "<|endoftext|> a man in a red coat",
    "a <|endoftext|> <|endoftext|> man",
    "<|mask|> man <|pad|>",
    "&lt;|endoftext|&gt; coat",
    "\ud800 half a pair",
    "\ud83d\ude00 both halves",
    "穿红色外套的男人",
    "рука об руку",
    "رجل يرتدي معطفا",
    "e\u0301\u0301\u0301\u0301",
    "\u200b\u200d\ufeff",
    "a" * 3000,
    "!" * 300,
    "😀" * 100,
    LONG,
    LONG + "!\U0001f600",
]


@pytest.mark.parametrize("text", ODD_TEXTS, ids=lambda text: ascii(text)[:40])
@pytest.mark.parametrize("name", ["clip", "small"])
def test_an_odd_caption_has_one_embedding(models, name, text):
    model, tokenizer = models[name]
    (ids,) = tokenizer.encode([text])
    assert ids[0] == tokenizer.start and ids[-1] == tokenizer.end and len(ids) <= 40
    assert (ids == tokenizer.end).sum() == 1 and (ids == tokenizer.start).sum() == 1, "a caption is text, never markup"
    for others in ([LONG], ["a man"], ["", LONG, "!\U0001f600 coat"]):
        for one, other in zip(*alone_and_among(model, tokenizer, text, others), strict=True):
            assert torch.isfinite(one).all()
            torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-4)


ANY = st.text(alphabet=st.characters(codec=None), max_size=60) | st.text(
    alphabet="!\U0001f600— .<|endofxt>a", max_size=60
)


@settings(max_examples=60, deadline=None)
@given(name=st.sampled_from(["clip", "small"]), text=ANY, others=st.lists(ANY, min_size=1, max_size=4))
@example(name="clip", text="a man in a red coat!\U0001f600", others=[LONG])
@example(name="clip", text="! — ", others=[LONG])
def test_any_text_has_one_embedding(models, name, text, others):
    model, tokenizer = models[name]
    for one, other in zip(*alone_and_among(model, tokenizer, text, others), strict=True):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-4)


@settings(max_examples=60, deadline=None)
@given(texts=st.lists(ANY, min_size=1, max_size=5), rate=st.sampled_from([0.0, 0.2, 0.9, 1.0]), seed=st.integers(0, 99))
def test_masking_leaves_a_caption_between_start_and_end(models, texts, rate, seed):
    """Words are masked, drawn or removed wherever they stand and whatever their id; the rest is padding."""
    _, tokenizer = models["clip"]
    ids = tokenizer.encode(texts)
    out = tokenizer.mask_tokens(ids, rate, torch.Generator().manual_seed(seed))
    assert out.shape == ids.shape
    last = ends(out)
    assert (out[:, 0] == tokenizer.start).all() and (out.gather(1, last[:, None]) == tokenizer.end).all()
    assert (last <= ends(ids)).all()
    behind = torch.arange(out.shape[1]) > last[:, None]
    assert (out[behind] == PAD).all()
    if rate == 0.0:
        assert torch.equal(out, ids)


def test_a_word_of_id_0_is_masked_like_any_other(models):
    _, tokenizer = models["clip"]
    ids = tokenizer.encode(["!\U0001f600" * 10] * 400)
    inside = words(ids)
    zeros = inside & (ids == PAD)
    assert zeros.float().sum() > 2000
    out = tokenizer.mask_tokens(ids, 1.0, torch.Generator().manual_seed(0))
    assert not (words(out) & (out == PAD)).any(), "at rate 1 no word stays, the removed ones stand behind the end"
    assert longest(out) <= longest(ids)


def test_the_switch_gives_the_published_reading(folders):
    """Special tokens in a caption are tokens, and a word of id 0 counts as padding."""
    settings = RetrieverSettings(checkpoint=str(folders["clip"]), **SHAPE, tokens="published")
    torch.manual_seed(0)
    model, tokenizer = new_retriever(settings)
    (ids,) = tokenizer.encode(["<|endoftext|> a man"])
    assert ids.tolist() == [49406, 49407, 320, 786, 49407]
    ids = tokenizer.encode(["a man in a coat!\U0001f600"])
    assert (ids[0] == PAD).sum() == 1
    model.eval()
    kept = model.select_texts(ids).kept.sum(1)
    model.careful = True
    assert model.select_texts(ids).kept.sum(1) == kept + 1 == words(ids).sum()
    masked = tokenizer.mask_tokens(ids.repeat(200, 1), 1.0, torch.Generator().manual_seed(0))
    assert ((masked == PAD) & words(masked)).sum() == 200, "as published, a word of id 0 is never masked"


def test_both_readings_agree_on_plain_captions(folders):
    found = []
    for tokens in ("careful", "published"):
        torch.manual_seed(0)
        model, tokenizer = new_retriever(RetrieverSettings(checkpoint=str(folders["clip"]), **SHAPE, tokens=tokens))
        texts = ["a man in a red coat.", "Wearing, say, blue jeans (torn)!", LONG]
        found.append((tokenizer.encode(texts), *encode_texts(model.eval(), tokenizer, texts)))
    for one, other in zip(*found, strict=True):
        assert torch.equal(one, other)


def test_the_reading_survives_on_disk(folders, tmp_path):
    settings = RetrieverSettings(checkpoint=str(folders["clip"]), **SHAPE, tokens="published")
    save_retriever(*new_retriever(settings), settings, tmp_path)
    model, tokenizer = load_retriever(tmp_path)
    assert not model.careful and not tokenizer.careful


def test_no_captions_have_no_embeddings(models):
    for model, tokenizer in models.values():
        bge, tse = encode_texts(model, tokenizer, [])
        assert bge.shape == (0, model.backbone.dim) and tse.shape == (0, 16)
        assert tokenizer.encode([]).shape[0] == 0


@pytest.mark.parametrize("caption", [None, float("nan"), 7, ["a man"], b"a man"], ids=repr)
def test_a_caption_that_is_no_text_is_named(models, caption):
    with pytest.raises(InputError, match="caption 1 "):
        models["small"][1].encode(["a man", caption])


def test_a_folder_without_a_tokenizer_gets_clips_own(folders, capsys):
    """The library would make an empty one, by which every caption is the same."""
    model, tokenizer = new_retriever(RetrieverSettings(checkpoint=str(folders["clip"]), **SHAPE))
    assert "CLIP's own vocabulary" in capsys.readouterr().err
    text = "a man in a red coat"
    assert tokenizer.encode([text])[0].tolist() == clip_tokenizer()(text)["input_ids"]
    assert import_retriever(str(folders["clip"]), RetrieverSettings(**SHAPE), 40)[1].mask == 49405


def copied(folder: Path, to: Path) -> Path:
    to.mkdir(parents=True)
    for path in folder.iterdir():
        (to / path.name).write_bytes(path.read_bytes())
    return to


def cut(share: float):
    def edit(folder: Path):
        content = (folder / "tokenizer.json").read_bytes()
        (folder / "tokenizer.json").write_bytes(content[: int(share * len(content))])

    return edit


def replaced(**changes):
    def edit(folder: Path):
        path = folder / "tokenizer.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))

    return edit


def retold(**changes):
    def edit(folder: Path):
        path = folder / "tokenizer_config.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))

    return edit


def clips(folder: Path):
    clip_tokenizer().save_pretrained(folder)


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        pytest.param(lambda f: (f / "tokenizer.json").unlink(), "found none, and a model of", id="gone"),
        pytest.param(cut(0.0), "unreadable tokenizer", id="empty"),
        pytest.param(cut(0.5), "unreadable tokenizer", id="half"),
        pytest.param(cut(0.999), "unreadable tokenizer", id="almost whole"),
        pytest.param(lambda f: (f / "tokenizer.json").write_bytes(bytes(range(256))), "unreadable", id="garbage"),
        pytest.param(lambda f: (f / "tokenizer.json").write_text("{}"), "unreadable", id="an empty mapping"),
        pytest.param(lambda f: (f / "tokenizer.json").write_text("[]"), "unreadable", id="a list"),
        pytest.param(lambda f: (f / "tokenizer.json").write_text("null"), "unreadable", id="null"),
        pytest.param(replaced(model={}), "unreadable", id="no model in it"),
        pytest.param(replaced(post_processor=None), "'a person' as tokens", id="puts no start and end"),
        pytest.param(retold(eos_token=None), "end token None", id="no end token"),
        pytest.param(retold(bos_token=None), "start token None", id="no start token"),
        pytest.param(retold(eos_token="<|startoftext|>"), "end token", id="an end that is not the greatest"),
        pytest.param(retold(bos_token="<|pad|>"), "start token 0", id="a start before the words"),
        pytest.param(lambda f: (f / "tokenizer_config.json").write_text("{"), "tokenizer", id="broken configuration"),
        pytest.param(clips, "below the", id="the tokenizer of a larger model"),
    ],
)
def test_odd_tokenizers_of_a_small_model(folders, tmp_path, edit, said):
    folder = copied(folders["small"], tmp_path / "odd")
    edit(folder)
    with pytest.raises(InputError, match=said) as caught:
        new_retriever(RetrieverSettings(checkpoint=str(folder), **SHAPE))
    assert str(folder) in str(caught.value)


def test_the_tokenizer_of_a_smaller_model_is_refused(folders, tmp_path):
    """All its ids are known to the model, but mean other words there."""
    folder = copied(folders["clip"], tmp_path / "odd")
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (folder / name).write_bytes((folders["small"] / name).read_bytes())
    with pytest.raises(InputError, match="end token .* as the model's configuration says"):
        new_retriever(RetrieverSettings(checkpoint=str(folder), **SHAPE))


def test_weights_in_one_file_that_are_not_clips_size_have_no_tokenizer(tmp_path):
    from clip_sizes import clip_names

    from icl.retriever.weights.names import from_transformers

    torch.save(clip_names(from_transformers(random_clip(SMALL, 32)).tensors), tmp_path / "small.pt")
    with pytest.raises(InputError, match="small.pt.*below the 100"):
        new_retriever(RetrieverSettings(checkpoint=str(tmp_path / "small.pt"), **SHAPE))


def test_code_beside_a_tokenizer_is_not_run(folders, tmp_path):
    folder = copied(folders["small"], tmp_path / "odd")
    (folder / "evil.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\nclass Evil: pass\n")
    retold(auto_map={"AutoTokenizer": ["evil.Evil", "evil.Evil"]}, tokenizer_class="Evil")(folder)
    try:
        CaptionTokenizer(str(folder), 40)
    except InputError as error:
        assert str(folder) in str(error)
    assert not (tmp_path / "ran").exists()
