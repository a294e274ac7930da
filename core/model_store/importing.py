"""A file of another origin into a model folder, with what the user says about it."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from core.classes import IGNORED_ID, ClassScheme
from core.errors import ModelError, SettingsError
from core.files import replacing_folder
from core.model_store.bare_weights import registered_network
from core.model_store.cards import WEIGHTS_FILE, ModelCard
from core.model_store.examining import Examined, OfWeights, examine, found_out, with_output
from core.model_store.legacy import describe_serving
from core.model_store.models import Model, default_scheme, find_model, guesses
from core.model_store.outputs import Head, chosen_output, ending, refusal_of_outputs, refusal_of_shape, untaken_size
from core.model_store.saved_models import is_saved_model
from core.model_store.trust import trust
from core.progress import OnProgress, ShouldStop, check, report

if TYPE_CHECKING:
    import keras

_TOLERANCE = 1e-4
_Run = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Answers:
    """What the user says about a file; None is what nobody knows, and stays among the card's assumptions."""

    scheme: ClassScheme | None = None
    bands: tuple[int, ...] | None = None
    normalisation: dict[str, Any] | None = None
    patch_size: int | None = None
    dtype: str = "uint8"
    scale: float = 1.0
    pixel_size_m: float | None = None
    name: str | None = None
    output: str | None = None


def import_model(
    path: str | os.PathLike,
    folder: str | os.PathLike,
    answers: Answers,
    *,
    of_weights: OfWeights | None = None,
    trusted: bool = False,
    on_progress: OnProgress | None = None,
    should_stop: ShouldStop | None = None,
) -> Model:
    """Write a model folder of a file and what the user says about it; the new network is compared with the old one.

    `trusted`: the user allows the code of a Lambda layer to run, now and whenever the model is used on this machine.
    Raises ModelError for a file that cannot be taken, SettingsError for answers that do not fit it, Cancelled.
    """
    path, folder = Path(path), Path(folder)
    examined = examine(path, of_weights or OfWeights())
    _check(examined, answers)
    if folder.is_file() or (folder.is_dir() and any(folder.iterdir())):
        raise SettingsError(f"{folder} is there already", expected="a new folder", do="Choose another name")
    if examined.runs_code and trusted and path.is_file():
        trust(path)
    report(on_progress, 0, 3, f"Loading {path.name}")
    if examined.found.served:
        return _import_serving(path, folder, examined, answers, on_progress, should_stop)
    try:
        network, card = _loaded(path, examined, answers)
    except ModelError:
        if not is_saved_model(path):
            raise
        # Layers of its own, which Keras cannot build; the serving function has their operations.
        served = found_out(examined, describe_serving(path))
        return _import_serving(path, folder, served, answers, on_progress, should_stop)
    check(should_stop)
    from core.model_store.fitting import run

    # What is saved ends in one map of probabilities, whatever the file did.
    own = examined.fit is not None
    saved = replace(card, output="softmax", network=card.network if own else {}, weights_file=WEIGHTS_FILE)
    with replacing_folder(folder) as temporary:
        report(on_progress, 1, 3, "Writing the model folder")
        network.save(temporary / WEIGHTS_FILE)
        saved.save(temporary)
        if examined.runs_code:
            trust(temporary / WEIGHTS_FILE)
        check(should_stop)
        report(on_progress, 2, 3, "Comparing the two")
        _compare(partial(run, network), partial(run, find_model(temporary).keras_model()), card)
    report(on_progress, 3, 3, "Done")
    return find_model(folder)


def _import_serving(
    path: Path, folder: Path, examined: Examined, answers: Answers, on_progress: OnProgress | None, should_stop: ShouldStop | None
) -> Model:
    """Write a model folder whose network OpenVINO runs: a SavedModel's serving function, or an ONNX file; TensorFlow runs nothing of it."""
    from core.model_store.serving import graph, onnx_file

    of_onnx = examined.found.served == "onnx"
    network = graph.read_onnx_network(path) if of_onnx else graph.read_serving(path, examined.found.heads)
    tried = _tried(path, examined, answers, _Loaded(partial(graph.measured, network), partial(graph.values_of, network)))
    card = _answered(tried, answers)
    ready = graph.fitted(network, tried.found.head, tried.found.chosen, card)
    check(should_stop)
    if of_onnx:
        saved = replace(
            card, weights_file=onnx_file.FILE, notes=(*card.notes, onnx_file.KEPT if card.measured is None else onnx_file.KEPT_TO_MEASURE)
        )
    else:
        saved = replace(card, output="softmax", network={}, weights_file=graph.NETWORK, notes=(*card.notes, graph.KEPT))
    with replacing_folder(folder) as temporary:
        report(on_progress, 1, 3, "Writing the model folder")
        if of_onnx:
            onnx_file.copy_onnx(path, temporary / onnx_file.FILE)
        else:
            graph.save(ready, temporary / graph.NETWORK)
        saved.save(temporary)
        check(should_stop)
        report(on_progress, 2, 3, "Comparing the two")
        again = graph.sized(temporary / saved.weights_file, saved, card.patch_shape)
        _compare(partial(graph.run, ready), partial(graph.run, again), card)
    report(on_progress, 3, 3, "Done")
    return find_model(folder)


@dataclass(frozen=True)
class _Loaded:
    """How a loaded network is asked for its outputs at a height and width, and for the values of one of them, for two patches."""

    measured: Callable[[Sequence[Head], int, int], tuple[Head, ...]]
    values: Callable[[int, tuple[int, int]], np.ndarray]


def _loaded(path: Path, examined: Examined, answers: Answers) -> tuple[keras.Model, ModelCard]:
    """The network in the form that the pipeline takes, and the card with what only the loaded network tells."""
    from core.model_store.fitting import fitted, measured, values_of
    from core.model_store.loading import read_network

    if examined.fit is not None:
        card = _answered(examined, answers)
        return registered_network(path, examined.fit, card.patch_size), card
    network = read_network(path, examined.found)
    tried = _tried(path, examined, answers, _Loaded(partial(measured, network), partial(values_of, network)))
    card = _answered(tried, answers)
    return fitted(network, card), card


def _tried(path: Path, examined: Examined, answers: Answers, loaded: _Loaded) -> Examined:
    """What a loaded network shows about its outputs: their true shapes, which one is the answer, and what that one's values are.

    Raises ModelError for one that gives no map of classes, or several of which none is clearly the answer.
    """
    found = examined.found
    found = replace(found, tried_px=answers.patch_size or found.tried_px)
    height, width = found.sides
    found = replace(found, heads=loaded.measured(found.heads, height, width))
    if answers.output is not None:
        found = with_output(found, answers.output)
    else:
        choice = chosen_output(found.heads, height, width)
        if not choice.sure:
            raise refusal_of_outputs(path.name, found.heads)
        found = replace(found, chosen=choice.number, why=choice.why)
    form = found.form
    if form is None:
        who = f"{path.name} by its output {found.head.name}" if len(found.heads) > 1 else path.name
        raise refusal_of_shape(who, found.head, height, width)
    if form.classes > IGNORED_ID:
        raise ModelError(f"{path.name} gives {form.classes} classes", expected=f"at most {IGNORED_ID}", do="Use another model")
    try:
        values = loaded.values(found.chosen, (height, width))
    except ModelError as error:
        if not found.free:
            raise
        raise untaken_size(height, width, error) from error
    if found.told.measures:
        _refuse_unmeasured(path, values, form.classes)
    head = replace(found.head, activation=found.activation if found.told.measures else ending(values, form, found.activation))
    heads = [head if number == found.chosen % len(found.heads) else each for number, each in enumerate(found.heads)]
    return found_out(examined, replace(found, heads=tuple(heads)))


def _refuse_unmeasured(path: Path, values: np.ndarray, count: int) -> None:
    """Raise ModelError for values that are no measured ones, though the file says so: several for each pixel, or none that is a number."""
    if count != 1:
        raise ModelError(
            f"{path.name} calls itself a Regressor and gives {count} values for each pixel",
            expected="one",
            do="Export it with one output, or name the output that has one (--output)",
        )
    if not np.isfinite(values[0]).all():
        raise ModelError(f"{path.name} gives values that are no numbers (NaN)", expected="a number for each pixel", do="Check the file")


def _check(examined: Examined, answers: Answers) -> None:
    """What of the answers can be checked before the network is loaded. Raises SettingsError."""
    found = examined.found
    if answers.output is not None:
        with_output(found, answers.output)
    if answers.bands is not None and (len(answers.bands) != found.bands or min(answers.bands) < 1):
        raise SettingsError(
            f"bands {list(answers.bands)}", expected=f"{found.bands} band numbers from 1, as the file takes them", do="Name as many bands"
        )
    height, width = found.sides
    if answers.patch_size is not None and not found.free and (height, width) != (answers.patch_size, answers.patch_size):
        raise SettingsError(f"patches of {answers.patch_size} px", expected=f"{height} x {width}, which is fixed", do="Leave it")


def _answered(examined: Examined, answers: Answers) -> ModelCard:
    card, found = examined.card, examined.found
    scheme = answers.scheme
    if scheme is not None and len(scheme) != len(card.scheme):
        named, scheme = len(scheme), scheme.labelled()  # a class list may hold "Unlabeled" as a class or as what is none
        if len(scheme) != len(card.scheme):
            which = f"its output {found.head.told()}" if len(found.heads) > 1 else "the file"
            raise SettingsError(f"{named} class names", expected=f"{len(card.scheme)}, as many as {which} gives", do="Name each class once")
    told = {
        "bands": answers.bands,
        "normalisation": answers.normalisation,
        "scheme": scheme,
        "output": answers.output,
        "patch_size": answers.patch_size,
    }
    given: dict[str, Any] = {key: value for key, value in told.items() if value is not None}
    assumed = [sentence for key, sentence in guesses(found).items() if key not in given]
    if examined.fit is not None:
        assumed.append(f"the network that the weights belong to: {examined.fit.told()}")
    return replace(
        card,
        **{key: value for key, value in given.items() if key != "output"},
        name=answers.name or card.name,
        dtype=answers.dtype,
        scale=answers.scale,
        pixel_size_m=answers.pixel_size_m or card.pixel_size_m,
        assumed=tuple(assumed),
    )


def _compare(old: _Run, new: _Run, card: ModelCard) -> None:
    sample = np.random.default_rng(0).random((1, *card.patch_shape, len(card.bands)), np.float32)
    difference = float(np.abs(old(sample) - new(sample)).max())
    if not difference <= _TOLERANCE:
        raise ModelError(
            f"a network that gives other values when it is saved again (by {difference:.2g})",
            expected=f"at most {_TOLERANCE:g}",
            do="Use the file as it is",
        )


def scheme_of(value: Any) -> ClassScheme | None:
    """Class names and colours of a request: None, a list of names, a class file's path, or what is in such a file.

    A class called "Unlabeled" is one like the others here: a network may well give it.
    """
    if value is None:
        return None
    if isinstance(value, str):
        return ClassScheme.load(value, every=True)
    if isinstance(value, dict):
        return ClassScheme.from_dict(value, every=True)
    return replace(default_scheme(len(value)), names=tuple(map(str, value)))
