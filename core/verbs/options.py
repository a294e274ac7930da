"""What can be typed: one parser per verb, each of which makes a request for `core.jobs.kinds`."""

from __future__ import annotations

import argparse
import sys
import typing
from collections.abc import Callable
from dataclasses import MISSING, fields
from typing import Any, NoReturn

from core import __version__
from core.training import settings as train_settings
from core.training.augmentation import Augmentation
from core.training.settings import TrainSettings
from core.vector.formats.products import PRODUCTS

_MODEL = "a name under models/, a model folder, or an .h5, .hdf5 or .keras file"
_SCENE = "any raster that GDAL opens, an HDF5 image, or a folder of neighbouring chips"
_DATASET = "a folder with images/ and masks/, or with such folders in it"
_WINDOW = "only this part of the scene, in pixels"
_CLASSES = "a class file (JSON: names and colours); found out from the masks when left away"

_SETTING_HELP = {
    "architecture": "the network",
    "encoder": "its encoder, for example resnet34; the network's own when left away",
    "weights": "none, imagenet, a file of encoder weights, or a model to start from",
    "epochs": "the most epochs; early stopping may end before",
    "batch_size": "patches in a step",
    "learning_rate": "the highest learning rate",
    "loss": "what is minimised",
    "class_weights": "how rare classes count more",
    "augment": "flip, turn and relight the training patches",
    "patience": "epochs without a better value before training ends; 0: never",
    "seed": "equal seeds give equal runs on a CPU",
    "filters": "channels of each level of the own networks, finest first, for example 16,32,64",
    "dropout": "share of channels that are dropped while training",
    "optimizer": "who takes the steps",
    "schedule": "how the learning rate falls",
    "warmup_epochs": "epochs in which the learning rate rises",
    "weight_decay": "of AdamW",
    "clip_norm": "the longest gradient",
    "monitor": "what early stopping and the best weights go by",
    "sampling": "whether patches with rare classes appear more often",
    "steps_per_epoch": "steps that make an epoch; each patch once when left away",
    "mixed_precision": "16 bit where the device is good at it",
    "name": "the model's name; its folder's when left away",
    "augmentation": "strengths of the changes, for example hue=0.05,crop=0.3,flips=no; others keep their default",
    "per_class": "one network for each class against the rest, merged by probability",
    "average_weights": "momentum of a moving average of the weights that is kept instead of the last ones; 0: none",
}
_SETTING_CHOICES = {
    "loss": train_settings.LOSSES,
    "class_weights": train_settings.CLASS_WEIGHTS,
    "optimizer": train_settings.OPTIMIZERS,
    "schedule": train_settings.SCHEDULES,
    "sampling": train_settings.SAMPLINGS,
    "monitor": train_settings.MONITORS,
    "mixed_precision": train_settings.MIXED,
}


class Parser(argparse.ArgumentParser):
    """A parser whose complaint is one line."""

    def error(self, message: str) -> NoReturn:
        print(f"{' '.join(message.split()).rstrip('.')}. See: {self.prog} --help", file=sys.stderr)
        raise SystemExit(2)


def build_parser() -> argparse.ArgumentParser:
    """The whole command line; parsed options hold `verb`, `json` and `request`, a function from options to a request."""
    parser = Parser(prog="python -m core", description="Aerial and satellite images into GIS layers.")
    parser.add_argument("--version", action="version", version=f"groundline {__version__}")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    for name, (help_text, add_arguments, request) in _VERBS.items():
        verb = verbs.add_parser(name, help=help_text, description=f"{help_text[0].upper()}{help_text[1:]}.", formatter_class=_Defaults)
        add_arguments(verb)
        verb.add_argument("--json", action="store_true", help="one JSON object as the last line of stdout")
        verb.set_defaults(request=request)
    return parser


class _Defaults(argparse.HelpFormatter):
    """Names the default of each option that has one worth naming."""

    def _get_help_string(self, action: argparse.Action) -> str:
        text = action.help or ""
        silent = action.default is None or action.default is False or action.default in (argparse.SUPPRESS, [])
        return text if silent or not action.option_strings else f"{text} (default: %(default)s)"


def _audit(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("dataset", metavar="DATASET", help=_DATASET)
    parser.add_argument("--classes", metavar="FILE", help=_CLASSES)


def _prepare(parser: argparse.ArgumentParser) -> None:
    _audit(parser)
    parser.add_argument("out", metavar="OUT", help="folder for the patches")
    parser.add_argument("--patch-size", type=int, default=256, metavar="PX", help="height and width of a patch")
    parser.add_argument("--stride", type=int, metavar="PX", help="distance from patch to patch (default: the patch size)")
    parser.add_argument("--min-labelled", type=float, default=0.05, metavar="FRACTION", help="patches with less labelled are dropped")
    parser.add_argument("--split", choices=("group", "block", "random"), default="group", help="what is kept together")
    parser.add_argument("--validation", type=float, metavar="FRACTION", help="share for validation")
    parser.add_argument("--test", type=float, metavar="FRACTION", help="share for the test")
    parser.add_argument("--hold-out", action="append", default=[], metavar="GROUP", help="a tile or scene for the test alone; repeatable")
    parser.add_argument("--seed", type=int, default=0, help="equal seeds give equal splits")
    parser.add_argument("--scale", type=float, default=1.0, metavar="FACTOR", help="resize images by this factor first")
    parser.add_argument("--bands", type=_names, metavar="N,N,...", help="bands to take: numbers from 1, or their names")


def _train(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("prepared", metavar="PREPARED", help="folder that `prepare` wrote")
    parser.add_argument("out", metavar="OUT", help="folder for the model")
    parser.add_argument("--resume", action="store_true", help="continue after the last epoch in OUT")
    instead = parser.add_mutually_exclusive_group()
    instead.add_argument("--probe", action="store_true", help="train nothing: time per epoch, memory, disk and a batch size, in a minute")
    instead.add_argument("--rate-test", action="store_true", help="train nothing: find a learning rate by raising it step by step")
    instead.add_argument("--search", action="store_true", help="short runs over --learning-rates and --batch-sizes; --resume goes on")
    parser.add_argument("--learning-rates", type=_decimals, default=argparse.SUPPRESS, metavar="X,X,...", help="for --search")
    parser.add_argument("--batch-sizes", type=_numbers, default=argparse.SUPPRESS, metavar="N,N,...", help="for --search")
    parser.add_argument("--search-epochs", type=int, default=argparse.SUPPRESS, metavar="N", help="in each round of --search")
    hints = typing.get_type_hints(TrainSettings)
    for field in fields(TrainSettings):
        _add_setting(parser, field.name, hints[field.name], None if field.default is MISSING else field.default)


def _evaluate(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="MODEL", help=_MODEL)
    _audit(parser)
    parser.add_argument("--scenes", choices=("all", "train", "validation", "test"), default="all", help="which part of the model's split")
    parser.add_argument("--patches", metavar="PREPARED", help="score only the patches of that part, as `prepare` cut them (random splits)")
    parser.add_argument("--out", metavar="FOLDER", help="folder for all that was found: JSON, CSV, maps, pictures and a report")
    parser.add_argument("--report", metavar="FILE", help="an HTML report; with pictures where there is --out")
    parser.add_argument("--polygons", type=_names, default=[], metavar="NAME,NAME", help="classes whose objects are matched at IoU 0.5")
    parser.add_argument("--store-temperature", action="store_true", help="calibrate the model: needs --scenes validation")
    _blending(parser)


def _compare(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("first", metavar="FIRST", help="folder that `evaluate --out` wrote")
    parser.add_argument("second", metavar="SECOND", help="another one, of the same scenes")
    parser.add_argument("--out", metavar="FOLDER", help="folder for maps of where the two disagree")
    parser.add_argument("--optimistic", action="store_true", help="FIRST is of a random split, SECOND of held-out scenes: show both")


def _blending(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--overlap", type=float, default=0.5, metavar="FRACTION", help="of a patch with the next one")
    parser.add_argument("--symmetries", type=int, choices=(1, 8), default=1, help="8: the mean over all flips and turns, 8 times the work")
    parser.add_argument("--memory", default="1GiB", metavar="SIZE", help="what the work may take beside the network")
    engines = ("auto", "openvino", "tensorflow", "fast")
    parser.add_argument("--engine", choices=engines, default="auto", help="who runs the network; fast: its int8 form")


def _predict(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="MODEL", help=_MODEL)
    parser.add_argument("scene", metavar="SCENE", help=_SCENE)
    parser.add_argument("out", metavar="OUT", help="folder for the prediction's rasters")
    _predicting(parser)
    parser.add_argument("--window", type=_window, metavar="ROW,COL,HEIGHT,WIDTH", help=_WINDOW)
    parser.add_argument("--cluster", default="none", metavar="WHERE", help="none, local or tcp://HOST:PORT")


def _predicting(parser: argparse.ArgumentParser) -> None:
    _blending(parser)
    parser.add_argument("--patch-size", type=int, metavar="PX", help="another one than the model's")
    parser.add_argument("--resample", action="store_true", help="resize the scene to the pixel size that the model was trained on")


def _predict_batch(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="MODEL", help=_MODEL)
    parser.add_argument("scenes", metavar="FOLDER", help="folder of scenes; those already finished with these settings are kept")
    parser.add_argument("out", metavar="OUT", help="folder for a prediction of each scene, and results.csv")
    _predicting(parser)


def _estimate(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="MODEL", help=_MODEL)
    parser.add_argument("scene", metavar="SCENE", help=_SCENE)
    _predicting(parser)
    parser.add_argument("--window", type=_window, metavar="ROW,COL,HEIGHT,WIDTH", help=_WINDOW)


def _quantise(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="MODEL", help=_MODEL)
    parser.add_argument("patches", metavar="PATCHES", help="folder that `prepare` wrote, with validation scenes of the model; or a scene")


def _vectorize(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("prediction", metavar="PREDICTION", help="prediction folder, or any single-band class raster")
    parser.add_argument("files", metavar="OUT", nargs="+", help=f"file to write: {' '.join(PRODUCTS)}")
    parser.add_argument("--threshold", type=float, default=0.0, metavar="FRACTION", help="pixels less sure than this are left out")
    parser.add_argument("--min-area", default="4px", metavar="AREA", help="smaller ones are merged: 4, 4px or 10m2")
    parser.add_argument("--simplify", default="1px", metavar="LENGTH", help="tolerance: 1, 1px or 0.5m; 0: none")
    parser.add_argument("--smooth", type=int, default=0, metavar="TIMES", help="times to round the corners off")
    parser.add_argument("--classes-only", type=_names, metavar="NAME,NAME", help="only these classes")
    parser.add_argument("--pixel-size", type=float, metavar="M", help="metres per pixel, for a raster without coordinates")
    parser.add_argument("--method", choices=("visvalingam", "douglas-peucker"), default="visvalingam", help="the order in which points go")
    named = "auto|NAME,NAME"
    parser.add_argument("--regularize", type=_auto_or_names, default=False, metavar=named, help="classes to square; auto: buildings")
    parser.add_argument("--centre-lines", type=_auto_or_names, default=False, metavar=named, help="classes with centre lines; auto: roads")
    parser.add_argument("--distance-to", metavar="NAME", help="class to whose nearest polygon each one's distance is told")
    parser.add_argument("--scene", metavar="SCENE", help="picture below the polygons of an .html map; the predicted scene's when left away")
    parser.add_argument("--crs", help="coordinates to write, for example EPSG:4326; the raster's when left away")


def _demo(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("out", metavar="OUT", help="folder for everything")
    parser.add_argument("--scene", metavar="SCENE", help="another scene than the sample town")
    parser.add_argument("--model", default="sample-town", metavar="MODEL", help=_MODEL)


def _models(parser: argparse.ArgumentParser) -> None:
    del parser


def _import_model(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", help="an .h5, .hdf5 or .keras file of another origin")
    parser.add_argument("out", metavar="OUT", help="folder for the model")
    parser.add_argument("--classes", type=_file_or_names, metavar="FILE|NAME,NAME,...", help="a class file, or the names in order")
    parser.add_argument("--bands", type=_numbers, metavar="N,N,...", help="which bands of a scene it takes, in its order; from 1")
    parser.add_argument("--divide-by", type=float, metavar="X", help="what its training divided the values by; 1: nothing")
    parser.add_argument("--patch-size", type=int, metavar="PX", help="for a network that takes any size")
    parser.add_argument("--dtype", default="uint8", metavar="TYPE", help="of the values that it was trained on")
    parser.add_argument("--scale", type=float, default=1.0, metavar="FACTOR", help="resize scenes by this factor first")
    parser.add_argument("--pixel-size", type=float, metavar="M", dest="pixel_size_m", help="metres per pixel that it was trained on")
    parser.add_argument("--name", help="the model's name; the file's when left away")
    parser.add_argument("--trusted", action="store_true", help="run the Python code that a Lambda layer in the file holds")


def _export_model(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="MODEL", help=_MODEL)
    parser.add_argument("out", metavar="OUT", help="a file that ends in .onnx, or a folder")
    formats = ("onnx", "savedmodel", "openvino")
    parser.add_argument("--format", choices=formats, help="onnx for a file that ends so, savedmodel otherwise, when left away")


def _plain_request(options: argparse.Namespace) -> dict[str, Any]:
    """Options are named like the request's keys, so that nothing has to be told twice."""
    return {key: value for key, value in vars(options).items() if key not in ("verb", "json", "request")}


def _import_request(options: argparse.Namespace) -> dict[str, Any]:
    given = _plain_request(options)
    divisor = given.pop("divide_by")
    if divisor is None:
        return given
    return {**given, "normalisation": {"kind": "none"} if divisor == 1 else {"kind": "divide", "divisor": divisor}}


def _train_request(options: argparse.Namespace) -> dict[str, Any]:
    given = _plain_request(options)
    names = {"learning_rates": "learning_rates", "batch_sizes": "batch_sizes", "search_epochs": "epochs"}
    grid = {key: given.pop(name) for name, key in names.items() if name in given}
    own = {key: given.pop(key) for key in ("prepared", "out", "resume")}
    kind = kind_of(options)
    for key in _INSTEAD_OF_TRAINING:
        del given[key]
    if kind in ("probe", "rate_test"):
        own = {"prepared": own["prepared"]}
    return {**own, **(grid if kind == "search" else {}), "settings": given}


_INSTEAD_OF_TRAINING = ("probe", "rate_test", "search")


def kind_of(options: argparse.Namespace) -> str:
    """The kind of work (`core.jobs.kinds`) that was asked for: the verb, but for what `train` can do instead of training."""
    asked = [kind for kind in _INSTEAD_OF_TRAINING if options.verb == "train" and getattr(options, kind)]
    return asked[0] if asked else options.verb


_VERBS: dict[str, tuple[str, Callable[[argparse.ArgumentParser], None], Callable[[argparse.Namespace], dict[str, Any]]]] = {
    "audit": ("look over a data set and list what is wrong with it", _audit, _plain_request),
    "prepare": ("cut a data set into patches and split them", _prepare, _plain_request),
    "train": ("train a network on prepared patches", _train, _train_request),
    "evaluate": ("score a model on the scenes of a data set", _evaluate, _plain_request),
    "compare": ("compare two evaluations, scene by scene", _compare, _plain_request),
    "predict": ("predict a whole scene", _predict, _plain_request),
    "predict-batch": ("predict every scene of a folder, with one table of results", _predict_batch, _plain_request),
    "estimate": ("say what a prediction will cost, from a few of its patches", _estimate, _plain_request),
    "quantise": ("make the int8 form of a model, which the engine fast runs", _quantise, _plain_request),
    "vectorize": ("turn a prediction into polygons and write them", _vectorize, _plain_request),
    "models": ("list the models that can be named", _models, _plain_request),
    "import-model": ("take in a Keras file of another origin", _import_model, _import_request),
    "export-model": ("write a model for other programs", _export_model, _plain_request),
    "demo": ("run the whole pipeline on the sample with the shipped model", _demo, _plain_request),
}


def _add_setting(parser: argparse.ArgumentParser, name: str, hint: Any, default: Any) -> None:
    flag = "--" + name.replace("_", "-")
    text = _SETTING_HELP[name] + ("" if default is None or hint is Augmentation else f" (default: {_shown(default)})")
    # Settings that are not typed stay away, so that the library's own defaults hold.
    common: dict[str, Any] = {"dest": name, "default": argparse.SUPPRESS, "help": text.replace("%", "%%")}
    if hint is bool:
        parser.add_argument(flag, action=argparse.BooleanOptionalAction, **common)
        return
    kinds = [kind for kind in (typing.get_args(hint) or (hint,)) if kind is not type(None)]
    convert = _numbers if typing.get_origin(kinds[0]) is tuple else _strengths if kinds[0] is Augmentation else kinds[0]
    metavar = None if name in _SETTING_CHOICES else {int: "N", float: "X", _strengths: "KIND=X,..."}.get(convert, name.upper())
    parser.add_argument(flag, type=convert, choices=_SETTING_CHOICES.get(name), metavar=metavar, **common)


def _shown(default: Any) -> str:
    return {True: "yes", False: "no"}.get(default, str(default)) if isinstance(default, bool) else str(default)


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
