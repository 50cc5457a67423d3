"""Odd checkpoints: each is read, or refused in an InputError that names it; nothing in a file is ever executed."""

import io
import json
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from clip_sizes import SMALL, clip_names, random_clip
from helpers import save_retriever_place, save_vl_place
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from peft.utils import get_peft_model_state_dict
from safetensors.torch import load_file, save_file

from icl.data.pairs import read_pairs
from icl.errors import InputError
from icl.mllm.settings import MLLMSettings, SFTSettings
from icl.mllm.tuning.lora import LoraTrainer
from icl.retriever.settings import RetrieverSettings
from icl.retriever.training.trainer import Trainer, train_retriever
from icl.retriever.weights.checkpoints import import_retriever, load_retriever, new_retriever
from icl.retriever.weights.names import from_transformers
from icl.retriever.weights.script_archive import read_script_tensors
from icl.retriever.weights.sources import read_state, read_weights

pytestmark = pytest.mark.filterwarnings("ignore:.*torch.jit.*:FutureWarning")
TENSORS = clip_names(from_transformers(random_clip(SMALL, 32)).tensors)


class Overwriting(torch.nn.Module):
    """Reading it with torch.jit.load fills a file of the user's."""

    def __init__(self, path: str, size: int):
        super().__init__()
        self.weight, self.path, self.size = torch.nn.Parameter(torch.arange(6.0)), path, size

    @torch.jit.export
    def __getstate__(self):
        return (self.weight, self.path, self.size, self.training)

    @torch.jit.export
    def __setstate__(self, state: tuple[torch.Tensor, str, int, bool]):
        mapped = torch.from_file(state[1], shared=True, size=state[2], dtype=torch.uint8).fill_(120)
        self.weight = state[0] + mapped.sum()
        self.path = state[1]
        self.size = state[2]
        self.training = state[3]

    def forward(self, x):
        return x * self.weight.sum()


class Plain(torch.nn.Module):
    """Parameters of every layout, shared ones, buffers, and attributes that are no weights."""

    def __init__(self):
        super().__init__()
        table = torch.arange(12.0)
        self.turned = torch.nn.Parameter(table.view(3, 4).T)
        self.part = torch.nn.Parameter(table.half()[3:9:2])
        self.none = torch.nn.Parameter(torch.zeros(0, 3))
        self.register_buffer("number", torch.tensor(3))
        self.register_buffer("flags", torch.tensor([True, False]))
        self.one, self.two = torch.nn.Linear(2, 2), torch.nn.Linear(2, 2)
        self.two.weight = self.one.weight
        self.sizes, self.rates, self.named, self.place = [1, 2], [0.5], {"a": 1}, torch.device("cpu")

    def forward(self, x):
        return self.two(self.one(x)) * self.sizes[0] * self.rates[0] * self.named["a"]


def test_reading_an_archive_overwrites_no_file(tmp_path):
    """The attack is real: torch.jit.load does it."""
    victim, archive = tmp_path / "thesis.txt", tmp_path / "ViT-B-16.pt"
    victim.write_bytes(b"precious")
    torch.jit.script(Overwriting(str(victim), 8)).save(str(archive))
    victim.write_bytes(b"precious")
    with pytest.raises(InputError, match="ViT-B-16.pt"):
        read_weights(str(archive))
    with pytest.raises(InputError, match="ViT-B-16.pt"):
        new_retriever(RetrieverSettings(checkpoint=str(archive)))
    assert victim.read_bytes() == b"precious"
    torch.jit.load(str(archive))
    assert victim.read_bytes() == b"x" * 8, "the test proves nothing if the archive is harmless"


def test_an_archive_gives_the_tensors_that_torch_gives(tmp_path):
    for number, module in enumerate((torch.jit.script(Plain()), torch.jit.trace(Plain(), torch.ones(2)))):
        path = tmp_path / f"{number}.pt"
        module.save(str(path))
        found, expected = read_script_tensors(path), dict(torch.jit.load(str(path)).state_dict())
        assert set(found) == set(expected)
        for name, tensor in expected.items():
            assert found[name].dtype == tensor.dtype and torch.equal(found[name], tensor), name


def archive_of(path: Path, program: bytes, storages: dict[str, bytes], **entries: bytes) -> Path:
    """A file of TorchScript's form with any pickle."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("a/data.pkl", program)
        archive.writestr("a/constants.pkl", pickle.dumps(()))
        archive.writestr("a/version", b"3\n")
        for name, content in {**{f"data/{k}": v for k, v in storages.items()}, **entries}.items():
            archive.writestr(f"a/{name}", content)
    return path


def tensor_program(
    size, stride, offset=0, count=4, kind=b"FloatStorage", key=b"0", maker=b"torch._utils\n_rebuild_tensor_v2"
):
    """A pickle of {"w": tensor}."""

    def number(n):
        return b"J" + int(n).to_bytes(4, "little", signed=True)

    def tuple_of(numbers):
        return b"(" + b"".join(map(number, numbers)) + b"t"

    def text(word):
        return b"X" + len(word).to_bytes(4, "little") + word

    storage = b"(" + text(b"storage") + b"ctorch\n" + kind + b"\n" + text(key) + text(b"cpu") + number(count) + b"tQ"
    arguments = b"(" + storage + number(offset) + tuple_of(size) + tuple_of(stride) + b"\x89" + b"Nt"
    return b"\x80\x02c__torch__\nM\n)\x81}" + text(b"w") + b"c" + maker + b"\n" + arguments + b"Rsb."


FLOATS = np.arange(4, dtype=np.float32).tobytes()


def test_a_handmade_archive_is_read(tmp_path):
    """The programs below are refused for what they say, not for their form."""
    path = archive_of(tmp_path / "a.pt", tensor_program((2, 2), (1, 2)), {"0": FLOATS})
    assert read_script_tensors(path)["w"].tolist() == [[0, 2], [1, 3]]


@pytest.mark.parametrize(
    ("program", "said"),
    [
        pytest.param(tensor_program((1000, 1000), (1000, 1)), "in a storage of 4", id="beyond the storage"),
        pytest.param(tensor_program((3,), (1,), offset=2), "in a storage of 4", id="beyond its end"),
        pytest.param(tensor_program((9, 9), (0, 0)), "in a storage of 4", id="a number repeated"),
        pytest.param(tensor_program((2,), (1,), offset=-1), "no dense view", id="negative offset"),
        pytest.param(tensor_program((2,), (-1,), offset=3), "no dense view", id="negative stride"),
        pytest.param(tensor_program((-2,), (1,)), "no dense view", id="negative size"),
        pytest.param(tensor_program((2, 2), (1,)), "no dense view", id="a stride too few"),
        pytest.param(tensor_program((2,), (1,), count=9), "for 9 numbers", id="storage shorter than told"),
        pytest.param(tensor_program((2,), (1,), kind=b"ComplexFloatStorage"), "ComplexFloatStorage", id="complex"),
        pytest.param(tensor_program((2,), (1,), key=b"7"), "7", id="no such storage"),
        pytest.param(tensor_program((2,), (1,), maker=b"torch\nfrom_file"), "torch.from_file", id="another function"),
        pytest.param(b"cos\nsystem\n(X\x02\x00\x00\x00lstR.", "os.system", id="os.system"),
        pytest.param(b"cbuiltins\neval\n(X\x01\x00\x00\x001tR.", "builtins.eval", id="eval"),
        pytest.param(b"ctorch.hub\nload\n(X\x01\x00\x00\x00atR.", "torch.hub.load", id="torch.hub"),
        pytest.param(
            b"ctorch._utils\n_rebuild_tensor_v2\n(N}X\x05\x00\x00\x00_makeNstb.", "_make", id="changes a function"
        ),
        pytest.param(b"N.", "no tensors", id="None"),
        pytest.param(b"]q\x00h\x00a.", "no tensors", id="a list of itself"),
        pytest.param(b"", "unreadable", id="nothing"),
        pytest.param(b"\xff\x00garbage", "unreadable", id="garbage"),
        pytest.param(b"(" * 100, "unreadable", id="never ends"),
    ],
)
def test_what_an_archive_may_not_say(tmp_path, program, said):
    with pytest.raises(InputError, match=said):
        read_state(archive_of(tmp_path / "odd.pt", program, {"0": FLOATS}))


def test_odd_archives(tmp_path):
    two = archive_of(tmp_path / "two.pt", tensor_program((2,), (1,)), {"0": FLOATS}, **{"b/data.pkl": b"N."})
    big = archive_of(tmp_path / "big.pt", tensor_program((2,), (1,)), {"0": FLOATS}, byteorder=b"big")
    with zipfile.ZipFile(tmp_path / "none.pt", "w") as archive:
        archive.writestr("a/constants.pkl", b"N.")
    with zipfile.ZipFile(tmp_path / "packed.pt", "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in (("data.pkl", tensor_program((2,), (1,))), ("constants.pkl", b"N."), ("data/0", FLOATS)):
            archive.writestr(f"a/{name}", content)
    for path, said in (
        (two, "2 files"),
        (big, "big-endian"),
        (tmp_path / "none.pt", "0 files"),
        (tmp_path / "packed.pt", "storage 0"),
    ):
        with pytest.raises(InputError, match=said):
            read_state(path)


def test_a_module_that_holds_itself_ends(tmp_path):
    program = b"\x80\x02c__torch__\nM\n)\x81q\x00}X\x04\x00\x00\x00selfh\x00sb."
    with pytest.raises(InputError, match="no tensors"):
        read_state(archive_of(tmp_path / "loop.pt", program, {}))


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damaged_archives_and_state_dicts_never_raise_anything_else(tmp_path, data):
    """Bytes cut, replaced or put in, anywhere in a file of either form."""
    script = tmp_path / "script.pt"
    if not script.exists():
        torch.jit.script(Plain()).save(str(script))
        torch.save({"model": {"w": torch.ones(3), "b": torch.zeros(2)}}, tmp_path / "state.pth")
    name = data.draw(st.sampled_from(["script.pt", "state.pth"]))
    content = bytearray((tmp_path / name).read_bytes())
    place = data.draw(st.integers(0, len(content)))
    removed, put = data.draw(st.integers(0, 200)), data.draw(st.binary(max_size=40))
    content[place : place + removed] = put
    (tmp_path / "damaged.pt").write_bytes(content)
    try:
        found = read_state(tmp_path / "damaged.pt")
    except InputError as error:
        assert "damaged.pt" in str(error)
    else:
        assert all(isinstance(tensor, torch.Tensor) for tensor in found.values())


def changed(**changes):
    return {**TENSORS, **changes}


def without(*names):
    return {name: tensor for name, tensor in TENSORS.items() if name not in names}


@pytest.mark.parametrize(
    ("state", "said"),
    [
        pytest.param({}, "no tensors", id="empty"),
        pytest.param([1, 2], "no tensors", id="a list"),
        pytest.param(torch.zeros(3), "no tensors", id="a tensor alone"),
        pytest.param({"model": {}}, "no tensors", id="an empty model"),
        pytest.param({"model": {"model": {"model": {}}}}, "no tensors", id="nested"),
        pytest.param({3: torch.zeros(2)}, "odd.pt", id="names that are numbers"),
        pytest.param(without("visual.conv1.weight"), "patch_embedding", id="no patches"),
        pytest.param(without("text_projection"), "text_projection", id="no projection"),
        pytest.param(without("positional_embedding"), "text_positions", id="no text positions"),
        pytest.param(changed(**{"visual.conv1.weight": torch.zeros(4)}), "odd.pt", id="patches of one dimension"),
        pytest.param(changed(**{"visual.conv1.weight": torch.zeros(64, 3, 8, 9)}), "odd.pt", id="patches not square"),
        pytest.param(changed(**{"visual.conv1.weight": torch.zeros(0, 3, 8, 8)}), "odd.pt", id="no width"),
        pytest.param(changed(**{"ln_final.bias": torch.zeros(63)}), "final_layer_norm.bias", id="another width"),
        pytest.param(changed(**{"ln_final.bias": torch.full((64,), torch.nan)}), "NaN or infinity", id="NaN"),
        pytest.param(changed(**{"visual.proj": torch.full((64, 32), torch.inf)}), "NaN or infinity", id="infinity"),
        pytest.param(changed(**{"visual.positional_embedding": torch.zeros(4, 64)}), "image positions", id="no square"),
        pytest.param(changed(surprise=torch.zeros(1)), "surprise", id="an unknown weight"),
        pytest.param(
            changed(**{"transformer.resblocks.7.ln_1.bias": torch.zeros(64)}), "missing", id="a block without the rest"
        ),
        pytest.param(changed(**{"visul_emb_layer.fc.weight": torch.zeros(8, 32)}), "odd.pt", id="half of a TSE layer"),
    ],
)
def test_odd_state_dicts(tmp_path, state, said):
    torch.save(state, tmp_path / "odd.pt")
    with pytest.raises(InputError, match=said):
        new_retriever(
            RetrieverSettings(checkpoint=str(tmp_path / "odd.pt"), image_height=48, image_width=24, text_length=77)
        )
    with pytest.raises(InputError, match=said):
        import_retriever(str(tmp_path / "odd.pt"), RetrieverSettings(image_height=48, image_width=24), 77)


def numpy_bytes():
    out = io.BytesIO()
    np.save(out, np.zeros(3))
    return out.getvalue()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\0" * 100,
        b"PK\x03\x04",
        b"<html>404: not found</html>",
        b"version https://git-lfs.github.com/spec/v1\n",
        numpy_bytes(),
    ],
    ids=["empty", "zeros", "a zip's beginning", "a web page", "a pointer of Git LFS", "NumPy"],
)
def test_files_that_are_no_checkpoint(tmp_path, content):
    (tmp_path / "best.pth").write_bytes(content)
    with pytest.raises(InputError, match="best.pth"):
        read_weights(str(tmp_path / "best.pth"))


def clip_folder(folder: Path) -> Path:
    random_clip(SMALL, 32).save_pretrained(folder)
    return folder


def edit_config(folder: Path, **changes):
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def drop_weight(folder: Path):
    path = folder / "model.safetensors"
    tensors = load_file(path)
    del tensors["text_model.final_layer_norm.bias"]
    save_file(tensors, path, metadata={"format": "pt"})


def add_weight(folder: Path):
    path = folder / "model.safetensors"
    save_file({**load_file(path), "head.weight": torch.zeros(2)}, path, metadata={"format": "pt"})


def cut(name: str, share: float):
    def edit(folder: Path):
        content = (folder / name).read_bytes()
        (folder / name).write_bytes(content[: int(share * len(content))])

    return edit


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        pytest.param(drop_weight, "1 weights missing: text_model.final_layer_norm.bias", id="a weight missing"),
        pytest.param(add_weight, "head.weight", id="a weight too many"),
        pytest.param(cut("model.safetensors", 0.5), "no loadable", id="weights cut in half"),
        pytest.param(cut("model.safetensors", 0), "no loadable", id="empty weights"),
        pytest.param(cut("config.json", 0.5), "no loadable", id="configuration cut in half"),
        pytest.param(cut("config.json", 0), "no loadable", id="empty configuration"),
        pytest.param(lambda f: (f / "config.json").unlink(), "folder", id="no configuration"),
        pytest.param(lambda f: (f / "model.safetensors").unlink(), "no loadable", id="no weights"),
        pytest.param(lambda f: edit_config(f, projection_dim=33), "folder", id="another width"),
        pytest.param(lambda f: edit_config(f, model_type="bert", architectures=["BertModel"]), None, id="another type"),
        pytest.param(
            lambda f: edit_config(f, auto_map={"AutoModel": "evil.Evil", "AutoConfig": "evil.Config"}), None, id="code"
        ),
    ],
)
def test_odd_transformers_folders(tmp_path, edit, said):
    """`said` None: the weights are CLIP's all the same, and may be read; code beside them is not run."""
    folder = clip_folder(tmp_path / "folder")
    (folder / "evil.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w').write('executed')\n")
    edit(folder)
    try:
        found = read_weights(str(folder))
    except InputError as error:
        assert "folder" in str(error) and (said or "") in str(error)
    else:
        assert said is None and not found.unknown
    assert not (tmp_path / "ran").exists()


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return save_retriever_place(tmp_path_factory.mktemp("states"))


@pytest.fixture(scope="module")
def course(place):
    return RetrieverSettings(checkpoint=str(place / "clip"), epochs=2, batch_size=16)


@pytest.fixture(scope="module")
def trained(place, course, tmp_path_factory):
    """A whole training, and the state that one leaves that was killed after its first epoch."""
    folder = tmp_path_factory.mktemp("trained")
    train_retriever(course, read_pairs(place / "pairs.parquet"), place / "set" / "imgs", 1, folder / "whole")
    trainer = Trainer(course, read_pairs(place / "pairs.parquet"), place / "set" / "imgs", 1, folder / "killed", None)
    trainer._epoch(1)
    return folder


def flipped(content: bytes) -> bytes:
    """One byte of a weight changed, somewhere in the middle."""
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 255]) + content[middle + 1 :]


def resaved(**changes):
    def edit(content: bytes) -> bytes:
        state = {**torch.load(io.BytesIO(content), weights_only=True), **changes}
        out = io.BytesIO()
        torch.save({name: value for name, value in state.items() if value != "absent"}, out)
        return out.getvalue()

    return edit


@pytest.mark.parametrize(
    "edit",
    [
        pytest.param(lambda content: content[: len(content) // 2], id="half"),
        pytest.param(lambda content: content[:-1], id="a byte short"),
        pytest.param(lambda content: b"", id="empty"),
        pytest.param(lambda content: b"\0" * len(content), id="zeros, as after a power cut"),
        pytest.param(lambda content: bytes(range(256)) * 40, id="garbage"),
        pytest.param(flipped, id="one byte changed"),
        pytest.param(lambda content: pickle.dumps({"epoch": 1}), id="a plain pickle"),
        pytest.param(resaved(model="absent"), id="no weights"),
        pytest.param(resaved(model={"w": torch.zeros(2)}), id="other weights"),
        pytest.param(resaved(best_weights={"w": torch.zeros(2)}), id="other best weights"),
        pytest.param(resaved(optimizer={"state": {}, "param_groups": []}), id="another optimiser"),
        pytest.param(resaved(epoch=7), id="an epoch beyond the last"),
        pytest.param(resaved(epoch="one"), id="an epoch in words"),
        pytest.param(resaved(history=[]), id="no history"),
        pytest.param(resaved(best={}), id="no best epoch"),
    ],
)
def test_a_damaged_state_is_named_and_the_training_starts_anew(place, course, trained, tmp_path, capsys, edit):
    (tmp_path / "state.pt").write_bytes(edit((trained / "killed" / "state.pt").read_bytes()))
    trainer = Trainer(course, read_pairs(place / "pairs.parquet"), place / "set" / "imgs", 1, tmp_path, None)
    before = {name: tensor.clone() for name, tensor in trainer.model.state_dict().items()}
    trainer._resume()
    said = [line for line in capsys.readouterr().err.splitlines() if "damaged" in line]
    assert len(said) == 1 and str(tmp_path / "state.pt") in said[0] and "anew" in said[0]
    assert not (tmp_path / "state.pt").exists() and trainer.epoch == 0 and not trainer.history
    assert all(torch.equal(tensor, before[name]) for name, tensor in trainer.model.state_dict().items())
    assert not trainer.optimizer.state_dict()["state"]


def test_after_a_damaged_state_the_result_is_that_of_a_whole_training(place, course, trained, tmp_path):
    content = (trained / "killed" / "state.pt").read_bytes()
    (tmp_path / "state.pt").write_bytes(content[: len(content) // 2])
    train_retriever(course, read_pairs(place / "pairs.parquet"), place / "set" / "imgs", 1, tmp_path)
    ours, theirs = load_retriever(tmp_path)[0].state_dict(), load_retriever(trained / "whole")[0].state_dict()
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


def test_a_state_that_may_not_be_read_is_not_deleted(place, course, tmp_path):
    (tmp_path / "state.pt").mkdir()
    trainer = Trainer(course, read_pairs(place / "pairs.parquet"), place / "set" / "imgs", 1, tmp_path, None)
    with pytest.raises(InputError, match="state.pt"):
        trainer._resume()
    assert (tmp_path / "state.pt").exists()


@pytest.mark.parametrize("name", ["model.safetensors", "model.json", "tokenizer/tokenizer.json"])
@pytest.mark.parametrize("share", [0, 0.5, None], ids=["empty", "half", "gone"])
def test_a_damaged_retriever_is_named(trained, tmp_path, name, share):
    for path in (trained / "whole").rglob("*"):
        if path.is_file():
            copy = tmp_path / path.relative_to(trained / "whole")
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(path.read_bytes())
    content = (tmp_path / name).read_bytes()
    (tmp_path / name).unlink()
    if share is not None:
        (tmp_path / name).write_bytes(content[: int(share * len(content))])
    with pytest.raises(InputError, match=str(tmp_path)):
        load_retriever(tmp_path)


@pytest.fixture(scope="module")
def tuning(tmp_path_factory):
    """A small MLLM, the records of a fine-tuning, and the state that one leaves that was killed after its first epoch."""
    root = save_vl_place(tmp_path_factory.mktemp("tuning"))
    answers = [("0.png", "Yes"), ("1.png", "No"), ("2.png", "Yes"), ("3.png", "No")]
    records = [{"caption": f"A man, {k}.", "image": image, "answer": a} for k, (image, a) in enumerate(answers)]
    killed = lora_trainer(root, records, root / "killed")
    killed._epoch(1)
    return root, records


def lora_trainer(root, records, out):
    sft = SFTSettings(epochs=2, batch_size=2)
    return LoraTrainer(sft, MLLMSettings(model=str(root / "model")), records, root, 1, out)


@pytest.mark.parametrize(
    "edit",
    [
        pytest.param(lambda content: content[: len(content) // 2], id="half"),
        pytest.param(lambda content: b"", id="empty"),
        pytest.param(lambda content: bytes(range(256)) * 40, id="garbage"),
        pytest.param(flipped, id="one byte changed"),
        pytest.param(resaved(adapter="absent"), id="no adapter"),
        pytest.param(resaved(adapter={"w": torch.zeros(2)}), id="another adapter"),
        pytest.param(resaved(adapter={}), id="an empty adapter"),
        pytest.param(resaved(optimizer={"state": {}, "param_groups": []}), id="another optimiser"),
        pytest.param(resaved(history=[]), id="no history"),
        pytest.param(resaved(sums={}), id="no sums"),
        pytest.param(resaved(step=-1), id="a negative step"),
        pytest.param(resaved(step=None), id="no step"),
    ],
)
def test_a_damaged_state_of_a_fine_tuning_is_named_and_it_starts_anew(tuning, tmp_path, capsys, edit):
    root, records = tuning
    (tmp_path / "state.pt").write_bytes(edit((root / "killed" / "state.pt").read_bytes()))
    trainer = lora_trainer(root, records, tmp_path)
    before = {name: tensor.clone() for name, tensor in get_peft_model_state_dict(trainer.qwen.model).items()}
    trainer._resume()
    said = [line for line in capsys.readouterr().err.splitlines() if "damaged" in line]
    assert len(said) == 1 and str(tmp_path / "state.pt") in said[0] and "anew" in said[0]
    assert not (tmp_path / "state.pt").exists()
    assert (trainer.epoch, trainer.step, trainer.done, trainer.history) == (0, 0, 0, [])
    after = get_peft_model_state_dict(trainer.qwen.model)
    assert all(torch.equal(tensor, before[name]) for name, tensor in after.items())
    trainer.run()
    assert (tmp_path / "adapter_model.safetensors").exists()
