"""Records that other programs, older versions and accidents left: what in them is not of the form that it has to be, in one line.

Lists are made by `sorted_out`, so that one entry that cannot be read hides no other and is shown with its reason.
"""

from __future__ import annotations

import dataclasses
import math
import os
import types
import typing
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, TypeVar

from core.errors import Cancelled, DatasetError, GroundlineError, SceneError
from core.files import read_json

T = TypeVar("T")

_MOST = 2**53
_CALLED = {
    int: "a whole number",
    float: "a number",
    str: "a text",
    bool: "true or false",
    list: "a list",
    dict: "an object",
    type(None): "null",
}
_ITEMS = (list, tuple, Sequence)


@dataclass(frozen=True)
class Unreadable:
    """An entry of a list that cannot be read, and why."""

    path: Path
    reason: str


def refuse_no_scene(path: Path) -> None:
    """Raise SceneError when nothing lies at the path: who mistyped it need not wait for the libraries that would read it."""
    if not path.exists():
        raise SceneError(f"nothing at {path}", expected="an image file or a folder of neighbouring chips", do="Check the path")


def refuse_no_dataset(path: Path) -> None:
    """Raise DatasetError when nothing lies at the path, as early as for a scene."""
    if not path.exists():
        raise DatasetError(f"nothing at {path}", expected="a folder with images and masks", do="Check the path")


def sorted_out(paths: Iterable[Path], opened: Callable[[Path], T]) -> tuple[list[T], list[Unreadable]]:
    """What `opened` makes of each path, in order, and those that it refuses with an error of ours or the system's."""
    found, bad = [], []
    for path in paths:
        try:
            found.append(opened(path))
        except (GroundlineError, OSError) as error:
            bad.append(Unreadable(path, reason(error)))
    return found, bad


def reason(error: Exception) -> str:
    """Why something cannot be read, in one line."""
    if isinstance(error, GroundlineError):
        return str(error)
    if isinstance(error, OSError) and error.strerror and error.filename:
        return f"{os.path.basename(os.fsdecode(error.filename))}: {error.strerror}"
    words = " ".join(str(error).split())[:200]
    return words if words and isinstance(error, ValueError) else f"{type(error).__name__}: {words}"


@contextmanager
def refusing(
    name: str, error: type[GroundlineError], expected: str, *, found: str = "{} cannot be read", do: str = "Copy or download it again"
) -> Iterator[None]:
    """Errors of the libraries that read files, which raise dozens of kinds for a damaged one, as one of ours that names it in `found`."""
    try:
        yield
    except (GroundlineError, Cancelled, MemoryError):
        raise
    except Exception as cause:
        raise error(f"{found.format(name)} ({reason(cause)})", expected=expected, do=do) from cause


def read_record(path: str | os.PathLike, form: Any) -> Any:
    """A JSON file of a known form, as `misfit` has it. Raises OSError and ValueError, the latter with what is wrong."""
    value = read_json(path)
    wrong = misfit(value, form)
    if wrong:
        raise ValueError(wrong)
    return value


def read_again(path: str | os.PathLike, form: Any) -> Any:
    """As `read_record`, for small files that are asked for again and again: read once for each state of the file.

    What comes back belongs to all who ask: copy it before you change it.
    """
    return _read_as_it_was(os.path.abspath(path), form, state_of(path))


@lru_cache(maxsize=64)
def _read_as_it_was(path: str, form: Any, _state: tuple[int, ...]) -> Any:
    return read_record(path, form)


def state_of(path: str | os.PathLike) -> tuple[int, ...]:
    """What is another once a file was written anew. Raises OSError where there is none."""
    found = os.stat(path)
    return found.st_ino, found.st_size, found.st_mtime_ns


def misfit(value: Any, form: Any, name: str = "it") -> str | None:
    """What in a value of JSON is not as a type says, in words: "`bands` is null, not a list"; None where all is.

    Types are those of annotations: int, float (also whole numbers; no NaN, no infinity), str, bool, `X | None`, `list[X]`,
    `tuple[X, ...]`, `dict[str, X]`, `Literal[...]`, a TypedDict or a dataclass (other keys are passed over), Any.
    """
    if form is Any or form is object:
        return None
    origin, inner = typing.get_origin(form), typing.get_args(form)
    if origin in (typing.Union, types.UnionType):
        wrong = [misfit(value, one, name) for one in inner]
        return None if None in wrong else wrong[0]
    if origin is typing.Literal:
        return None if value in inner else f"{name} is {_short(value)}, not one of {', '.join(map(str, inner))}"
    kind = list if (origin or form) in _ITEMS else dict if (origin or form) in (dict, Mapping) else form
    if typing.is_typeddict(form) or dataclasses.is_dataclass(form):
        return _misfit_of_keys(value, form, name)
    if not _is(value, kind):
        return f"{name} is {_short(value)}, not {_CALLED.get(kind, str(kind))}"
    parts: Iterable[tuple[Any, Any]] = ()
    if kind is list and inner:
        parts = ((f"{name}[{number}]", item) for number, item in enumerate(value))
    elif kind is dict and len(inner) == 2:
        parts = ((f"{name}[{key!r}]", item) for key, item in value.items())
    of = inner[-1] if kind is dict and inner else inner[0] if inner else Any
    return next((wrong for wrong in (misfit(item, of, part) for part, item in parts) if wrong), None)


def _misfit_of_keys(value: Any, form: Any, name: str) -> str | None:
    if not isinstance(value, dict):
        return f"{name} is {_short(value)}, not an object"
    hints, required = _keys(form)
    missing = next((key for key in required if key not in value), None)
    if missing is not None:
        return f"{name} lacks {missing!r}"
    inside = "" if name == "it" else f"{name}."
    wrong = (misfit(value[key], hint, f"{inside}{key}") for key, hint in hints.items() if key in value)
    return next((one for one in wrong if one), None)


@cache
def _keys(form: Any) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The types of a record's keys, and those that have to be there."""
    hints = typing.get_type_hints(form)
    if typing.is_typeddict(form):
        return hints, tuple(key for key in hints if key in form.__required_keys__)
    told = dataclasses.fields(form)
    needed = [one.name for one in told if one.default is dataclasses.MISSING and one.default_factory is dataclasses.MISSING]
    return {one.name: hints[one.name] for one in told}, tuple(needed)


def _is(value: Any, kind: Any) -> bool:
    if kind is float:
        return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < 1e300 and math.isfinite(value)
    if kind is int:
        return isinstance(value, int) and not isinstance(value, bool) and abs(value) < _MOST
    return isinstance(value, kind)


def _short(value: Any) -> str:
    """A value as it stands in JSON, cut short."""
    if value is None or isinstance(value, (bool, list, dict)):
        return {None: "null", True: "true", False: "false"}[value] if value is None or isinstance(value, bool) else _CALLED[type(value)]
    told = "a number of many digits" if isinstance(value, int) and abs(value) >= _MOST else repr(value)
    return told if len(told) <= 40 else f"{told[:37]}..."
