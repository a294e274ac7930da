"""What work can be told, as frozen dataclasses: a field says its default, help and range once; flags, requests and forms follow from it."""

from __future__ import annotations

import dataclasses
import math
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from numbers import Integral, Real
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from core.errors import SettingsError

REQUIRED: Any = dataclasses.MISSING
"""The default of a field that has none."""

PICTURE, SERVICE = "picture", "service"
"""What an address in place of a path can be of."""

Kind = TypeVar("Kind", bound="Settings")


def setting(
    default: Any,
    help: str,
    *,
    choices: Sequence[Any] | None = None,
    low: float | None = None,
    high: float | None = None,
    metavar: str | None = None,
    do: str | None = None,
    key: str | None = None,
    flag: str | None = None,
    repeated: bool = False,
    read: Callable[[str], Any] | None = None,
    address: str = "",
) -> Any:
    """A field of a `Settings` class.

    `help` is its sentence for people, with its unit. `low` and `high` belong to the range, of a number or of each number
    of a list. `metavar` stands for the value in the command line's help. `do` is what to do about a value
    that does not fit, where "Change NAME" says too little. `key` is its name in a request where that is
    not the field's own, `flag` its name on the command line where that is not the key's: "--name", "NAME" for what is typed
    without one, "" for what cannot be typed. `repeated` gives the flag for each item of a list; `read` makes the value of
    what was typed where its type does not say how.
    """
    told = {"help": help, "choices": choices, "low": low, "high": high, "metavar": metavar, "do": do, "key": key, "flag": flag}
    return field(default=default, metadata={**told, "repeated": repeated, "read": read, "address": address})


def group(default: Any, *, key: str | None = None) -> Any:
    """A field that holds `Settings` of another class: their keys lie among its own in a request, or below `key`."""
    return field(default=default, metadata={"help": "", "key": key, "group": True})


@dataclass(frozen=True)
class Option:
    """One field of a `Settings` class and all that is known of it; `kinds` are its types, None left out."""

    name: str
    default: Any
    kinds: tuple[Any, ...]
    optional: bool
    help: str
    choices: tuple[Any, ...] | None = None
    low: float | None = None
    high: float | None = None
    metavar: str | None = None
    do: str | None = None
    key: str = ""
    flag: str = ""
    group: type[Settings] | None = None
    repeated: bool = False
    read: Callable[[str], Any] | None = None
    address: str = ""

    @property
    def path(self) -> bool:
        """Whether it names a file or folder, or several."""
        return any(kind is Path or Path in typing.get_args(kind) for kind in self.kinds)

    @property
    def required(self) -> bool:
        """Whether it has no default."""
        return self.default is REQUIRED

    @property
    def expected(self) -> str:
        """What is taken, in words: "a whole number from 1 to 8"."""
        if self.choices is not None:
            return "one of " + ", ".join(str(choice) for choice in self.choices)
        ends = [f"{word} {end:.12g}" for word, end in (("from", self.low), ("to", self.high)) if end is not None]
        return " ".join([" or ".join(_called(kind) for kind in self.kinds), *ends])

    def fitted(self, value: Any) -> Any:
        """The value as the field holds it: lists as tuples, texts as paths, dicts as what they describe. Raises SettingsError."""
        if value is None and self.optional:
            return None
        for kind in self.kinds:
            fitting, found = _fit(kind, value)
            if fitting and self._within(found):
                return found
        name = self.key or self.name
        raise SettingsError(f"{name} {value!r}", expected=self.expected, do=self.do or f"Change {name}")

    def _within(self, value: Any) -> bool:
        if self.choices is not None:
            return value in self.choices
        low, high = (-math.inf if self.low is None else self.low), (math.inf if self.high is None else self.high)
        numbers = value if isinstance(value, tuple) else (value,)
        bounded = self.low is not None or self.high is not None
        return not bounded or all(low <= float(number) <= high for number in numbers if isinstance(number, Real))


@dataclass(frozen=True)
class Settings:
    """A base for frozen dataclasses made of `setting`s; every field is checked when the object is made. Raises SettingsError."""

    title: ClassVar[str] = "settings"

    def __post_init__(self) -> None:
        for option in options(type(self)):
            object.__setattr__(self, option.name, option.fitted(getattr(self, option.name)))

    def to_dict(self) -> dict[str, Any]:
        """The settings by their names as plain values, for JSON."""
        return {option.name: _plain(getattr(self, option.name)) for option in options(type(self))}

    @classmethod
    def from_dict(cls: type[Kind], value: Mapping[str, Any]) -> Kind:
        """Read what `to_dict` wrote; what is not named has its default. Raises SettingsError for an unknown name."""
        known = [option.name for option in options(cls)]
        strangers = sorted(set(value) - set(known))
        if strangers:
            raise SettingsError(f"unknown {cls.title} {strangers}", expected=f"some of {known}", do="Remove or rename them")
        return cls(**value)

    def to_request(self) -> dict[str, Any]:
        """The settings by their keys in a request, as plain values."""
        request: dict[str, Any] = {}
        for option in options(type(self)):
            value = getattr(self, option.name)
            if option.group and not option.key:
                request |= value.to_request()
            else:
                request[option.key] = _plain(value)
        return request

    @classmethod
    def from_request(cls: type[Kind], request: Mapping[str, Any]) -> Kind:
        """Those of a request, which may hold other keys too; what it does not hold, or holds as None, has its default."""
        given: dict[str, Any] = {}
        for option in options(cls):
            if option.group and not option.key:
                given[option.name] = option.group.from_request(request)
            elif request.get(option.key) is not None:
                given[option.name] = request[option.key]
        return cls(**given)


_known: dict[type[Settings], tuple[Option, ...]] = {}


def options(settings: type[Settings]) -> tuple[Option, ...]:
    """The fields of a `Settings` class in order."""
    if settings not in _known:
        _known[settings] = _read_options(settings)
    return _known[settings]


def _read_options(settings: type[Settings]) -> tuple[Option, ...]:
    hints = typing.get_type_hints(settings)
    found = []
    for one in fields(settings):
        kinds = typing.get_args(hints[one.name]) if _is_union(hints[one.name]) else (hints[one.name],)
        about = dict(one.metadata)
        inner = kinds[0] if about.pop("group", False) else None
        key = about.pop("key", None) or ("" if inner else one.name)
        flag = about.pop("flag", None)
        flag = "--" + key.replace("_", "-") if flag is None else flag
        choices = about.pop("choices", None)
        plain = tuple(kind for kind in kinds if kind is not type(None))
        found.append(
            Option(
                one.name,
                one.default,
                plain,
                type(None) in kinds,
                key=key,
                flag=flag,
                group=inner,
                choices=None if choices is None else tuple(choices),
                **about,
            )
        )
    return tuple(found)


def request_options(settings: type[Settings]) -> tuple[Option, ...]:
    """The fields that lie directly in a request, those of groups without a key of their own in their place."""
    return tuple(
        inner for option in options(settings) for inner in (request_options(option.group) if option.group and not option.key else (option,))
    )


def _is_union(hint: Any) -> bool:
    return typing.get_origin(hint) in (typing.Union, types.UnionType)


def _fit(kind: Any, value: Any) -> tuple[bool, Any]:
    """Whether a value is of a kind, and the value as that kind."""
    if kind is Any:
        return True, value
    if kind is bool or isinstance(value, bool):
        return kind is bool and isinstance(value, bool), value
    if kind is int:
        return isinstance(value, Integral), value
    if kind is float:
        return isinstance(value, Real), value
    if kind is Path:
        return isinstance(value, (str, Path)), Path(value) if isinstance(value, (str, Path)) else value
    if typing.get_origin(kind) is tuple:
        return _fit_items(typing.get_args(kind), value)
    if isinstance(value, Mapping) and hasattr(kind, "from_dict"):
        return True, kind.from_dict(value)
    return isinstance(value, typing.get_origin(kind) or kind), value


def _fit_items(inside: tuple[Any, ...], value: Any) -> tuple[bool, Any]:
    inner, *rest = inside
    if not isinstance(value, (list, tuple)) or (rest != [...] and len(value) != len(inside)):
        return False, value
    kinds = typing.get_args(inner) if _is_union(inner) else (inner,)
    items = [next((fit for kind in kinds if (fit := _fit(kind, item))[0]), (False, item)) for item in value]
    return all(fitting for fitting, _ in items), tuple(found for _, found in items)


_WORDS = {bool: "true or false", int: "a whole number", float: "a number", str: "a text", Path: "a path"}
_MANY = {int: "whole numbers", float: "numbers", str: "names", Path: "paths"}


def _called(kind: Any) -> str:
    if typing.get_origin(kind) is tuple:
        return f"a list of {_MANY.get(typing.get_args(kind)[0], 'values')}"
    return _WORDS.get(kind, "settings of their own")


def _plain(value: Any) -> Any:
    if isinstance(value, Settings):
        return value.to_dict()
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return str(value) if isinstance(value, Path) else value
