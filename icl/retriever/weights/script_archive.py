"""The tensors of a TorchScript archive (OpenAI's `ViT-B-16.pt`), read without its code.

`torch.jit.load` runs an archive's `__setstate__` methods, which can write files. Here the pickle of the archive is read by
an unpickler that knows plain values and tensors only; objects of the archive's own classes become bags of attributes.
"""

from __future__ import annotations

import math
import pickle
import sys
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import torch
from torch import Tensor

DTYPES = {
    "DoubleStorage": torch.float64,
    "FloatStorage": torch.float32,
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "ShortStorage": torch.int16,
    "CharStorage": torch.int8,
    "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool,
}


def is_script(path: Path) -> bool:
    """Whether a file is a TorchScript archive; other torch files have no constants beside their tensors."""
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return any(name.split("/")[-1] == "constants.pkl" for name in archive.namelist())


def read_script_tensors(path: Path) -> dict[str, Tensor]:
    """All tensors of an archive under their dotted names, as its module's `state_dict` has them; nothing is executed.

    Raises:
        pickle.UnpicklingError: the archive holds other things than modules, plain values and dense tensors; names the first.
        KeyError, ValueError, zipfile.BadZipFile: it is damaged.
    """
    with zipfile.ZipFile(path) as archive:
        names = [name for name in archive.namelist() if name.split("/")[-1] == "data.pkl"]
        if len(names) != 1:
            raise ValueError(f"{len(names)} files data.pkl in the archive")
        folder = names[0].removesuffix("data.pkl")
        if f"{folder}byteorder" in archive.namelist():
            order = archive.read(f"{folder}byteorder").decode()
            if order != sys.byteorder:
                raise ValueError(f"{order}-endian numbers")
        with archive.open(names[0]) as file:
            root = _Reader(file, archive, folder).load()
    out: dict[str, Tensor] = {}
    _collect(root, "", out, set())
    return out


class _Module:
    """An object of one of the archive's own classes: the attributes that were saved, and no method."""

    attributes: dict = {}

    def __setstate__(self, state: object) -> None:
        self.attributes = state if isinstance(state, dict) else {}


class _Maker:
    """A function that an archive may name. The pickle can call it and can change nothing about it."""

    __slots__ = ("_make",)
    _make: Callable

    def __init__(self, make: Callable) -> None:
        object.__setattr__(self, "_make", make)

    def __call__(self, *arguments: Any) -> Any:
        return self._make(*arguments)

    def __setattr__(self, name: str, value: object) -> None:
        raise pickle.UnpicklingError(f"the archive tries to set {name!r}")


def _tensor(
    storage: Tensor, offset: int, size: tuple, stride: tuple, requires_grad: bool = False, *rest: object
) -> Tensor:
    """A dense view of a storage, copied; bounds are checked, as torch would enlarge the storage instead."""
    numbers = (offset, *size, *stride)
    whole = isinstance(storage, Tensor) and len(size) == len(stride) and all(type(n) is int for n in numbers)
    if not whole or min(numbers) < 0:
        raise pickle.UnpicklingError("a tensor that is no dense view of a storage")
    count, last = math.prod(size), offset + sum((n - 1) * step for n, step in zip(size, stride, strict=True))
    if count and (last >= len(storage) or count > len(storage)):
        raise pickle.UnpicklingError(f"a tensor of shape {tuple(size)} in a storage of {len(storage)} numbers")
    if not count:
        return storage.new_empty(size)
    return torch.as_strided(storage, size, stride, offset).clone()


_MAKERS: dict[tuple[str, str], Callable] = {
    ("torch._utils", "_rebuild_tensor_v2"): _tensor,
    ("collections", "OrderedDict"): OrderedDict,
    ("torch", "device"): str,
    ("torch.jit._pickle", "restore_type_tag"): lambda value, tag: value,
    **{("torch.jit._pickle", f"build_{kind}list"): list for kind in ("int", "double", "bool", "tensor")},
}


class _Reader(pickle.Unpickler):
    """Knows no global but the archive's own classes and those by which torch writes tensors and lists."""

    def __init__(self, file: IO[bytes], archive: zipfile.ZipFile, folder: str) -> None:
        super().__init__(file)
        self._archive, self._folder = archive, folder
        self._storages: dict[str, Tensor] = {}

    def find_class(self, module: str, name: str) -> Any:
        if module == "__torch__" or module.startswith("__torch__."):
            return _Module
        if module == "torch" and name in DTYPES:
            return name
        if (module, name) in _MAKERS:
            return _Maker(_MAKERS[module, name])
        raise pickle.UnpicklingError(f"{module}.{name}, which is no tensor")

    def persistent_load(self, told: tuple) -> Tensor:
        """A storage: ("storage", its type, its name in the archive, device, count)."""
        _, kind, key, _, count = told
        if key not in self._storages:
            self._storages[key] = self._storage(kind, str(key), count)
        return self._storages[key]

    def _storage(self, kind: str, key: str, count: int) -> Tensor:
        dtype, entry = DTYPES[kind], self._archive.getinfo(f"{self._folder}data/{key}")
        if entry.compress_type != zipfile.ZIP_STORED or entry.file_size != count * dtype.itemsize:
            raise pickle.UnpicklingError(f"storage {key} of {entry.file_size} bytes for {count} numbers of {dtype}")
        if not count:
            return torch.empty(0, dtype=dtype)
        return torch.frombuffer(bytearray(self._archive.read(entry)), dtype=dtype)


def _collect(value: object, name: str, out: dict[str, Tensor], above: set[int]) -> None:
    """Put the tensors below a module into `out`; a module that holds itself is entered once."""
    if isinstance(value, Tensor):
        out[name] = value
    elif isinstance(value, _Module) and id(value) not in above:
        for key, part in value.attributes.items():
            _collect(part, f"{name}.{key}" if name else str(key), out, above | {id(value)})
