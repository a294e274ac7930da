"""The tensors of a PyTorch state dict, read without PyTorch and without running anything that the file names."""

from __future__ import annotations

import pickle
from collections import OrderedDict
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from core.errors import ModelError

_DTYPES = {"FloatStorage": np.float32, "LongStorage": np.int64}
_MAGIC = 0x1950A86A20F9469CFC6C
_LAYOUT = 1001
_MOST_VALUES = 1 << 28


class _Storage(NamedTuple):
    key: str
    dtype: type
    length: int


class _Tensor(NamedTuple):
    storage: _Storage
    first: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


class _Reader(pickle.Unpickler):
    """Knows an ordered dictionary, a tensor and two kinds of storage; whatever else a file names is refused."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _tensor
        if module == "torch" and name in _DTYPES:
            return _DTYPES[name]
        raise ModelError(f"a file that names {module}.{name}", expected="tensors and nothing else", do="Take the file as it was published")

    def persistent_load(self, told: Any) -> _Storage:
        kind, dtype, key, _, length, *_ = told
        if kind != "storage" or dtype not in _DTYPES.values() or not 0 <= length <= _MOST_VALUES:
            raise ModelError(f"a storage {told!r:.80}", expected="numbers of 32 or 64 bits", do="Take the file as it was published")
        return _Storage(str(key), dtype, int(length))


def read_tensors(path: Path) -> dict[str, np.ndarray]:
    """Arrays by name of a file in PyTorch's layout before 1.6 (four pickles, then each storage: int64 length and its values).

    Raises ModelError for another layout, for anything but tensors, and for a file that breaks off.
    """
    with open(path, "rb") as file:
        try:
            return _read(file)
        except ModelError:
            raise
        except Exception as error:  # a damaged pickle raises nearly everything
            raise ModelError(
                f"{path.name} cannot be read ({type(error).__name__}: {' '.join(str(error).split())[:120]})",
                expected="a state dict of PyTorch",
                do="Install the package again",
            ) from error


def _read(file: BinaryIO) -> dict[str, np.ndarray]:
    magic, layout, _ = (_Reader(file).load() for _ in range(3))
    if (magic, layout) != (_MAGIC, _LAYOUT):
        raise ModelError(f"a file that begins with {magic!r:.40}", expected="a state dict of PyTorch", do="Install the package again")
    tensors: dict[str, _Tensor] = _Reader(file).load()
    known = {tensor.storage.key: tensor.storage for tensor in tensors.values()}
    stored: dict[str, np.ndarray] = {}
    for key in _Reader(file).load():
        length = int(np.frombuffer(file.read(8), "<i8")[0])
        one = known[key]
        if length != one.length:
            raise ModelError(f"{length:,} values", expected=f"{one.length:,}, as its tensor says", do="Install the package again")
        stored[key] = np.frombuffer(file.read(length * np.dtype(one.dtype).itemsize), one.dtype)
    return {name: _array(tensor, stored[tensor.storage.key]) for name, tensor in tensors.items()}


def _tensor(storage: _Storage, first: int, shape: tuple[int, ...], strides: tuple[int, ...], *_: Any) -> _Tensor:
    return _Tensor(storage, first, tuple(shape), tuple(strides))


def _array(tensor: _Tensor, values: np.ndarray) -> np.ndarray:
    """A copy of the part of a storage that a tensor is. NumPy refuses one that reaches outside its storage."""
    size = values.itemsize
    strides = [size * step for step in tensor.strides]
    return np.ndarray(tensor.shape, values.dtype, buffer=values, offset=size * tensor.first, strides=strides).copy()
