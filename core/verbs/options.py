"""What verbs share when they are typed: the parser, flags made of settings, and values made of words."""

from __future__ import annotations

import argparse
import dataclasses
import sys
import typing
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from core import __version__
from core.reading.postgis import FORM
from core.settings import Option, Settings, options, request_options

if TYPE_CHECKING:
    from core.verbs.verb import Typed, Verb

MODEL = "a name under models/, a model folder, or an .h5, .hdf5 or .keras file"
SCENE = "any raster that GDAL opens, an HDF5 image, a folder of neighbouring chips, or the address of a COG (https://, s3://)"
DATASET = "a folder with images/ and masks/, or with such folders in it"
IMAGES = 'which files of the data set are images: a pattern such as "**/*_rgb.tif", or a folder in it; told by their names when left away'
MASKS = f'which files are masks: a pattern such as "**/*_label.tif", or a folder in it; or a table of labels in PostGIS: {FORM}'
CLASSES = "a class file (JSON, or a table of names and colours); found out from the masks when left away"


class Parser(argparse.ArgumentParser):
    """A parser whose complaint is one line."""

    def error(self, message: str) -> NoReturn:
        """Leave with exit code 2, the complaint in one line."""
        print(f"{' '.join(message.split()).rstrip('.')}. See: {self.prog} --help", file=sys.stderr)
        raise SystemExit(2)


def word_of(name: str) -> str:
    """What is typed for the verb of that name."""
    return name.replace("_", "-")


def build_parser(typed: Mapping[str, str], verbs: Iterable[Verb]) -> argparse.ArgumentParser:
    """The command line: the names of all verbs with what each does, and the flags of `verbs`, those that are to be read.

    Parsed options hold `json`, and `typed`, a function from options to a verb and its request.
    """
    parser = Parser(prog="python -m core", description="Aerial and satellite images into GIS layers.")
    parser.add_argument("--version", action="version", version=f"groundline {__version__}")
    words = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    known = {name: words.add_parser(word_of(name), help=does, description=f"{does[0].upper()}{does[1:]}.") for name, does in typed.items()}
    for verb in verbs:
        if verb.name not in known:
            continue
        inner = known[verb.name]
        (verb.arguments or partial(add_options, settings=verb.settings))(inner)
        inner.add_argument("--json", action="store_true", help="one JSON object as the last line of stdout")
        inner.set_defaults(typed=verb.typed or partial(_typed, verb))
    return parser


def add_options(parser: argparse.ArgumentParser, settings: type[Settings]) -> None:
    """A flag, or a place for a word, for each of the settings."""
    for option in request_options(settings):
        add_option(parser, option)


def add_option(parser: argparse.ArgumentParser, option: Option, *, below: str = "") -> None:
    """The flag of one setting, or those of a group that lies `below` a key of its own in the request.

    What is not typed stays away from the request, so that the settings' own defaults hold: no flag has one.
    """
    if option.group:
        for inner in options(option.group):
            add_option(parser, inner, below=f"{option.key}.")
    elif option.flag:
        parser.add_argument(*_names_of(option, below), **_details(option, below))


def request_of(given: argparse.Namespace) -> dict[str, Any]:
    """What was typed as a request: its names are the request's keys, so that nothing has to be told twice."""
    request: dict[str, Any] = {}
    for name, value in vars(given).items():
        outer, dot, inner = name.rpartition(".")
        if name not in ("verb", "json", "typed"):
            (request.setdefault(outer, {}) if dot else request)[inner] = value
    return request


def _typed(verb: Verb, given: argparse.Namespace) -> Typed:
    return verb, request_of(given)


def _names_of(option: Option, below: str) -> tuple[str, ...]:
    return (option.flag,) if option.flag.startswith("-") else (f"{below}{option.key}",)


def _details(option: Option, below: str) -> dict[str, Any]:
    """How argparse is told of a setting; one below a key of its own can be switched off as well as on."""
    text = (option.help + _default_words(option, bool(below))).replace("%", "%%")
    details: dict[str, Any] = {"default": argparse.SUPPRESS, "help": text}
    typed_bare = not option.flag.startswith("-")
    if not typed_bare:
        details["dest"] = f"{below}{option.name}" if below else option.key
    if option.kinds == (bool,):
        return {**details, "action": argparse.BooleanOptionalAction if below else "store_true"}
    convert = option.read or _converter(option)
    details |= {"type": convert, "choices": option.choices, "metavar": option.metavar}
    if typed_bare:
        details["metavar"] = option.flag
        if all(typing.get_origin(kind) is tuple for kind in option.kinds):
            details["nargs"] = "+"
    elif option.repeated:
        details["action"] = "append"
    elif below and not option.choices and not option.metavar:
        details["metavar"] = {int: "N", float: "X", _strengths: "KIND=X,..."}.get(convert, option.name.upper())
    return details


def _default_words(option: Option, below: bool) -> str:
    """The default of a setting, where it has one worth naming."""
    default = option.default
    if option.required or default is None or default == () or dataclasses.is_dataclass(default) or (default is False and not below):
        return ""
    if isinstance(default, bool):
        return f" (default: {'yes' if default else 'no'})"
    return f" (default: {','.join(str(one) for one in default) if isinstance(default, tuple) else default})"


def _converter(option: Option) -> Callable[[str], Any]:
    """What makes a value of the setting's first kind of what was typed."""
    kinds = {kind if typing.get_origin(kind) is None else typing.get_args(kind) for kind in option.kinds}
    lists = [kind for kind in kinds if isinstance(kind, tuple)]
    if option.repeated or Path in kinds or (Path, ...) in kinds:
        return str
    if bool in kinds:
        return _auto_or_names
    if str in kinds:
        return _file_or_names if lists else str
    if lists:
        return {(int, ...): _numbers, (float, ...): _decimals, (int, int, int, int): _window}.get(lists[0], _names)
    kind: Any = next(iter(kinds))
    return _strengths if dataclasses.is_dataclass(kind) else kind


def _numbers(text: str) -> list[int]:
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a list of whole numbers like 1,2,3") from None


def _decimals(text: str) -> list[float]:
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a list of numbers like 0.001,0.003") from None


def _strengths(text: str) -> dict[str, float | bool]:
    words = {"yes": True, "no": False}
    try:
        pairs = [part.split("=") for part in text.split(",")]
        return {name.strip().replace("-", "_"): words[value] if value in words else float(value) for name, value in pairs}
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a list like hue=0.05,flips=no") from None


def _window(text: str) -> list[int]:
    numbers = _numbers(text)
    if len(numbers) != 4:
        raise argparse.ArgumentTypeError(f"{text!r} is not ROW,COL,HEIGHT,WIDTH, for example 0,0,512,512")
    return numbers


def _names(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _auto_or_names(text: str) -> bool | list[str]:
    return True if text.strip().lower() == "auto" else _names(text)


def _file_or_names(text: str) -> str | list[str]:
    return text if text.lower().endswith(".json") else _names(text)
