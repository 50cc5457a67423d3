"""Weights in every form in circulation are read back equal; anything else is refused by name."""

import pytest
import torch
from clip_sizes import SMALL, VIT_B16, clip_names, random_clip

from icl.errors import InputError
from icl.retriever.settings import RetrieverSettings
from icl.retriever.weights.checkpoints import build_retriever, new_retriever
from icl.retriever.weights.names import from_transformers, to_published
from icl.retriever.weights.published import published_settings
from icl.retriever.weights.sources import read_weights


def as_script(state: dict, path) -> None:
    """A TorchScript archive with these tensors, as OpenAI ships CLIP."""

    class Holder(torch.nn.Module):
        def forward(self, x):
            return x

    root = Holder()
    for name, tensor in state.items():
        *folders, leaf = name.split(".")
        place = root
        for folder in folders:
            if not hasattr(place, folder):
                place.add_module(folder, Holder())
            place = getattr(place, folder)
        place.register_parameter(leaf, torch.nn.Parameter(tensor.clone(), requires_grad=False))
    torch.jit.script(root).save(str(path))


@pytest.fixture(params=["small", pytest.param("ViT-B/16", marks=[pytest.mark.paper, pytest.mark.slow])])
def clip(request):
    return random_clip(SMALL, 32) if request.param == "small" else random_clip(VIT_B16, 512)


def retriever(weights, height=None):
    image = weights.config.vision_config.image_size
    settings = RetrieverSettings(image_height=height or 3 * image // 2, image_width=image // 2, tse_dim=48)
    return build_retriever(weights, settings, 77)


def assert_equal(found: dict, expected: dict) -> None:
    assert set(found) == set(expected)
    for name, tensor in expected.items():
        assert torch.equal(found[name], tensor), name


def test_every_form_of_clip_is_read_back_equal(clip, tmp_path):
    expected = from_transformers(clip).tensors
    clip.save_pretrained(tmp_path / "folder")
    names = clip_names(expected)
    scalars = {"logit_scale": torch.tensor(4.6)}
    torch.save({**names, **scalars}, tmp_path / "state.pt")
    torch.save({"model": {f"module.base_model.{k}": v for k, v in names.items()}, "epoch": 3}, tmp_path / "best0.pth")
    as_script({**names, **scalars}, tmp_path / "ViT-B-16.pt")
    for name in ("folder", "state.pt", "best0.pth", "ViT-B-16.pt"):
        weights = read_weights(str(tmp_path / name))
        assert_equal(weights.tensors, expected)
        assert not weights.has_tse and not weights.unknown
        v, t = weights.config.vision_config, clip.config.text_config
        assert (v.patch_size, v.num_hidden_layers, v.hidden_act) == (
            clip.config.vision_config.patch_size,
            clip.config.vision_config.num_hidden_layers,
            "quick_gelu",
        )
        assert weights.config.text_config.vocab_size == t.vocab_size


def test_a_published_retriever_is_read_back_equal(clip, tmp_path):
    """best.pth: RDE's names, an unused visual layer, and positional tables at the retriever's size already."""
    model = retriever(from_transformers(clip))
    published = to_published(model.state_dict())
    published["visul_emb_layer.linear.weight"] = torch.zeros(48, 32)
    torch.save({"model": published, "optimizer": {"lr": 1e-5}, "epoch": 60}, tmp_path / "best.pth")
    weights = read_weights(str(tmp_path / "best.pth"))
    assert weights.has_tse and weights.aside == ["visul_emb_layer.linear.weight"]
    again = build_retriever(
        weights,
        RetrieverSettings(
            image_height=model.backbone.grid[0] * weights.config.vision_config.patch_size,
            image_width=model.backbone.grid[1] * weights.config.vision_config.patch_size,
        ),
        77,
    )
    assert_equal(again.state_dict(), model.state_dict())


CONFIGS = "img_size: !!python/tuple\n- 48\n- 24\nselect_ratio: 0.4\ntext_length: 60\nstride_size: 16\nname: RDE\n"


def test_a_published_retriever_brings_its_settings(tmp_path):
    """configs.yaml beside best.pth; without one, the run's own settings stand."""
    settings, source = RetrieverSettings(), str(tmp_path / "best.pth")
    torch.save({}, source)
    assert published_settings(source, settings) is settings
    (tmp_path / "configs.yaml").write_text(CONFIGS)
    found = published_settings(source, settings)
    assert (found.image_height, found.image_width, found.select_ratio, found.text_length) == (48, 24, 0.4, 60)
    assert published_settings("openai/clip-vit-base-patch16", settings) is settings


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (CONFIGS.replace("16", "12"), "configs.yaml, stride_size: found 12"),
        (CONFIGS.replace("60", "many"), "unreadable settings"),
        ("a: !!python/object/apply:print [executed]", "unreadable settings"),
        ("- a list", "unreadable settings"),
    ],
)
def test_published_settings_that_cannot_be_taken_are_named(tmp_path, text, said, capsys):
    torch.save({}, tmp_path / "best.pth")
    (tmp_path / "configs.yaml").write_text(text)
    with pytest.raises(InputError, match=said):
        published_settings(str(tmp_path / "best.pth"), RetrieverSettings())
    assert "executed" not in capsys.readouterr().out


def test_the_text_table_is_interpolated_from_77_to_168(clip):
    """As the paper says; the published loader leaves it random."""
    weights = from_transformers(clip)
    settings = RetrieverSettings(image_height=48, image_width=48, tse_dim=48)
    table = build_retriever(weights, settings, 168).backbone.text_positions
    assert table.shape[0] == 168
    source = weights.tensors["text_positions"]
    assert torch.allclose(table[0], source[0]) and torch.allclose(table[-1], source[-1])


def test_a_stretched_table_can_be_left_random_as_published():
    """Only where it is stretched: at 77 tokens the checkpoint's own stands."""
    weights = from_transformers(random_clip(SMALL, 32))
    settings = RetrieverSettings(image_height=48, image_width=48, tse_dim=48, stretched_positions="random")
    torch.manual_seed(5)
    first = build_retriever(weights, settings, 168).backbone.text_positions
    torch.manual_seed(5)
    assert torch.equal(build_retriever(weights, settings, 168).backbone.text_positions, first), "seeded"
    source = weights.tensors["text_positions"]
    assert not torch.allclose(first[0], source[0]) and 0.009 < first.std() < 0.011
    assert torch.equal(build_retriever(weights, settings, 77).backbone.text_positions, source)


def test_half_precision_becomes_float32(tmp_path):
    expected = from_transformers(random_clip(SMALL, 32)).tensors
    torch.save({k: v.half() for k, v in clip_names(expected).items()}, tmp_path / "half.pt")
    found = read_weights(str(tmp_path / "half.pt")).tensors
    assert all(t.dtype == torch.float32 for t in found.values())


def test_irra_heads_are_known_and_left_aside(tmp_path):
    names = {f"base_model.{k}": v for k, v in clip_names(from_transformers(random_clip(SMALL, 32)).tensors).items()}
    heads = {"classifier.weight": torch.zeros(3, 3), "mlm_head.dense.weight": torch.zeros(2, 2)}
    torch.save({"model": {**names, **heads}}, tmp_path / "irra.pth")
    assert set(read_weights(str(tmp_path / "irra.pth")).aside) == set(heads)


class Evil:
    def __reduce__(self):
        return print, ("executed",)


def test_refusals_name_the_file_and_what_is_wrong(tmp_path, capsys):
    names = clip_names(from_transformers(random_clip(SMALL, 32)).tensors)
    torch.save({"model": names, "payload": Evil()}, tmp_path / "evil.pth")
    torch.save({**names, "surprise.weight": torch.zeros(1)}, tmp_path / "unknown.pth")
    torch.save({"model": names}, tmp_path / "whole.pth")
    content = (tmp_path / "whole.pth").read_bytes()
    (tmp_path / "cut.pth").write_bytes(content[: len(content) // 2])
    torch.save({"epoch": 1}, tmp_path / "empty.pth")
    for name, said in (
        ("evil.pth", "unsafe"),
        ("unknown.pth", "surprise.weight"),
        ("cut.pth", "cut.pth"),
        ("empty.pth", "no tensors"),
        ("nowhere", "nowhere"),
    ):
        with pytest.raises(InputError, match=said):
            read_weights(str(tmp_path / name))
    assert "executed" not in capsys.readouterr().out


def test_a_missing_weight_is_named(tmp_path):
    names = clip_names(from_transformers(random_clip(SMALL, 32)).tensors)
    del names["ln_final.bias"]
    torch.save(names, tmp_path / "partial.pt")
    with pytest.raises(InputError, match="final_layer_norm.bias: missing"):
        new_retriever(RetrieverSettings(checkpoint=str(tmp_path / "partial.pt"), image_height=96, image_width=32))
