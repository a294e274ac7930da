"""A Keras file of other origin into a model folder: what it tells, what has to be asked, and the writing."""

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
from core.model_store.bare_weights import Fit, architecture_beside, bare_weights, fitting_network, registered_network, unfitting
from core.model_store.cards import MIN_PATCH_PX, WEIGHTS_FILE, ModelCard
from core.model_store.legacy import Described, describe, describe_architecture, describe_serving
from core.model_store.models import Model, default_scheme, find_model, guesses, proposed_card
from core.model_store.normalisation import BLUE_FIRST, PUBLISHED_WAYS, read_normalisation, titled
from core.model_store.outputs import Head, chosen_output, ending, refusal_of_outputs, refusal_of_shape, untaken_size
from core.model_store.saved_models import is_saved_model
from core.model_store.serving.graph import KEPT
from core.model_store.trust import trust
from core.networks.encoders import published_normalisation, wants_bgr
from core.networks.pure import is_pure
from core.progress import OnProgress, ShouldStop, check, report
from core.reading.readable import refusing
from core.words import counted

if TYPE_CHECKING:
    import keras

_TOLERANCE = 1e-4
# A layer that only encoders of this kind have, and one of those encoders. Of the ResNets of segmentation_models all take raw values.
_SIGNS = {
    "bn_data": "resnet34",
    "block5_conv3": "vgg16",
    "conv5_block3_out": "resnet50-keras",
    "block_16_project": "mobilenetv2",
    "block7a_project_conv": "efficientnetb0",
}
_Run = Callable[[np.ndarray], np.ndarray]
_SELF_NORMALISING = {"Rescaling", "Normalization"}


@dataclass(frozen=True)
class LikelyNormalisation:
    """One answer to how values were normalised: a sentence, the normalisation as a card has it, and bands if it needs them so."""

    label: str
    normalisation: dict[str, Any]
    bands: tuple[int, ...] | None = None


@dataclass(frozen=True)
class Examined:
    """What a file tells (`found`, and a card with guesses in it) and what it does not.

    `asks` holds the keys of `Answers` that the user has to give: "bands", "normalisation", "scheme", and "patch_size"
    where the network takes any, "output" where it has several. `fit` is the network of ours that a file of weights alone belongs
    to. `normalisations` are the likely ones, the likeliest first. `runs_code`: the file holds a
    Lambda layer and is refused unless the user trusts it. `tells` are sentences for people.
    """

    found: Described
    card: ModelCard
    asks: tuple[str, ...]
    normalisations: tuple[LikelyNormalisation, ...]
    tells: tuple[str, ...]
    fit: Fit | None = None

    @property
    def runs_code(self) -> bool:
        """Whether loading the file would run Python code in it."""
        return self.found.runs_code


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


@dataclass(frozen=True)
class OfWeights:
    """What the user says about the network that a file of weights alone belongs to; None is what the shapes tell.

    `look_beside`: an architecture that lies beside the file is its own.
    """

    architecture_file: Path | None = None
    architecture: str | None = None
    encoder: str | None = None
    filters: tuple[int, ...] | None = None
    look_beside: bool = True


def examine(path: str | os.PathLike, of_weights: OfWeights = OfWeights()) -> Examined:
    """Read what a `.h5`, `.hdf5` or `.keras` file or a SavedModel tells; without Keras, nothing in it is run. Raises ModelError."""
    with refusing(Path(path).name, ModelError, "a whole Keras file or SavedModel"):
        return _examine(Path(path), of_weights)


def _examine(path: Path, of_weights: OfWeights) -> Examined:
    if not path.exists():
        raise ModelError(f"no file at {path}", expected="a Keras file", do="Check the path")
    if path.is_dir() and not is_saved_model(path):
        raise ModelError(
            f"the folder {path.name} as a model to import", expected="a Keras file, or a SavedModel folder", do="Name the file in it"
        )
    fit = None
    bare = None if path.is_dir() else bare_weights(path)
    if bare is None:
        found = describe(path)
    else:
        beside = of_weights.look_beside and of_weights.architecture is None
        text = of_weights.architecture_file or (architecture_beside(path) if beside else None)
        if text is not None:
            found = describe_architecture(text)
        else:
            fit = fitting_network(bare, named=of_weights.architecture, encoder=of_weights.encoder, filters=of_weights.filters)
            if fit is None:
                raise unfitting(path, bare)
            found = fit.described()
    _refuse_other_shapes(path, found)
    card = proposed_card(path, found)
    if fit is not None:
        network = {"filters": list(fit.filters)} if fit.filters else {}
        card = replace(card, architecture=fit.architecture, encoder=fit.encoder, network=network, notes=())
    asks = ["bands", "normalisation", "scheme"]
    asks += ["patch_size"] if found.free else []
    asks += ["output"] if len(found.heads) > 1 else []
    return Examined(found, card, tuple(asks), _normalisations(found), _tells(found, card, fit), fit)


def choose_output(examined: Examined, output: str) -> Examined:
    """The same file with another of its outputs as the answer, by name or number from 1. Raises SettingsError."""
    return _found(examined, _with_output(examined.found, output))


def _found(examined: Examined, found: Described) -> Examined:
    """What more is known about the same file."""
    return replace(examined, found=found, card=proposed_card(Path(examined.card.weights_file), found))


def _refuse_other_shapes(path: Path, found: Described) -> None:
    if found.inputs > 1:
        raise ModelError(f"{path.name} takes {found.inputs} images at once", expected="a network of one image", do="Use another model")
    height, width = found.sides
    if min(height, width) < MIN_PATCH_PX:
        raise ModelError(
            f"{path.name} takes images of {height} x {width} pixels with {found.bands} bands",
            expected=f"at least {MIN_PATCH_PX} pixels along each side, channels last",
            do="Use another model, or put a Permute before it",
        )
    if found.sure and len(found.head.shape) == 1:  # other shapes are measured when the network is loaded
        raise refusal_of_shape(path.name, found.head, height, width)
    unknown = [name for name in found.functions if not is_pure(name)]
    if unknown:
        raise ModelError(
            f"{path.name} calls TensorFlow's {', '.join(unknown)}",
            expected="functions that compute values of values",
            do="Rebuild the network without these",
        )


def _normalisations(found: Described) -> tuple[LikelyNormalisation, ...]:
    usual = [
        LikelyNormalisation("Divided by 255", {"kind": "divide", "divisor": 255.0}),
        LikelyNormalisation("None: values as the file has them", {"kind": "none"}),
    ]
    if found.layer_kinds & _SELF_NORMALISING:
        usual.reverse()
    by_pixels = [LikelyNormalisation(titled(word), read_normalisation(word)) for word in ("patch", "image", "patch-together")]
    if found.bands != 3:
        return *usual, *by_pixels
    encoder = next((name for sign, name in _SIGNS.items() if sign in found.layer_names), None)
    if encoder is not None and encoder != "resnet34":
        label = f"As the published weights of {encoder.removesuffix('-keras')} want it"
        usual.append(_published(label, published_normalisation(encoder), blue_first=wants_bgr(encoder)))
    # ImageNet's other ways, for a network whose encoder cannot be told by its layers.
    others = [_published(titled(word), read_normalisation(word), blue_first=word == BLUE_FIRST) for word in PUBLISHED_WAYS]
    named = [one.normalisation for one in usual]
    return *usual, *by_pixels, *(one for one in others if one.normalisation not in named)


def _published(label: str, rule: dict[str, Any], *, blue_first: bool) -> LikelyNormalisation:
    """One of ImageNet's rules for red, green, blue; with `blue_first` turned round for a network that takes the bands so."""
    if not blue_first:
        return LikelyNormalisation(label, rule)
    turned = {**rule, "mean": rule["mean"][::-1], "std": rule["std"][::-1]}
    return LikelyNormalisation(label if "blue first" in label else f"{label}, blue first", turned, (3, 2, 1))


def told_by_word(text: str, examined: Examined, bands: tuple[int, ...] | None) -> LikelyNormalisation:
    """What a word of `core.model_store.normalisation.WAYS` says about a file, for images whose red, green, blue are `bands`.

    Raises SettingsError.
    """
    rule = read_normalisation(text, bands=examined.found.bands)
    if text != BLUE_FIRST:
        return LikelyNormalisation(text, rule)
    told = _published(text, rule, blue_first=True)
    return replace(told, bands=tuple(bands[::-1]) if bands else told.bands)


def _tells(found: Described, card: ModelCard, fit: Fit | None) -> tuple[str, ...]:
    height, width = found.sides
    size = "any size" if found.free else f"{height} x {width} pixels"
    end = {"softmax": "probabilities", "sigmoid": "one probability each", "logits": "values that become probabilities"}[card.output]
    if found.served:
        end = "values that are looked at when it is loaded"
    classes = f"{len(card.scheme)} classes" if found.outputs else "classes, whose number it does not tell,"
    sentences = [f"Takes {counted(found.bands, 'band')} in patches of {size}.", f"Gives {classes} as {end}."]
    if fit is not None:
        sentences.insert(0, f"Weights alone, which fit {fit.told()}.")
    if found.weights_alone:
        sentences.insert(0, "Weights alone, with the architecture that lies beside them.")
    if found.served:
        sentences.insert(0, f"A SavedModel without Keras's description. {KEPT}")
    if len(found.heads) > 1:
        which = f"{found.head.name} is the answer, {found.why}" if found.sure else "which one is the answer has to be said"
        sentences.append(f"Has {len(found.heads)} outputs: {', '.join(head.told() for head in found.heads)}; {which}.")
    if found.saved_by:
        sentences.append(f"Saved by Keras {found.saved_by}.")
    if found.compiled_with:
        sentences.append(f"Trained with {', '.join(found.compiled_with)}, which is not needed for predicting.")
    return tuple(sentences)


def import_model(
    path: str | os.PathLike,
    folder: str | os.PathLike,
    answers: Answers,
    *,
    of_weights: OfWeights = OfWeights(),
    trusted: bool = False,
    on_progress: OnProgress | None = None,
    should_stop: ShouldStop | None = None,
) -> Model:
    """Write a model folder of a Keras file and what the user says about it; the new network is compared with the old one.

    `trusted`: the user allows the code of a Lambda layer to run, now and whenever the model is used on this machine.
    Raises ModelError for a file that cannot be taken, SettingsError for answers that do not fit it, Cancelled.
    """
    path, folder = Path(path), Path(folder)
    examined = examine(path, of_weights)
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
        served = _found(examined, describe_serving(path))
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
    """Write a model folder whose network is OpenVINO's, made of a SavedModel's serving function; TensorFlow runs nothing of it."""
    from core.model_store.serving import graph

    network = graph.read_serving(path, examined.found.heads)
    tried = _tried(path, examined, answers, _Loaded(partial(graph.measured, network), partial(graph.values_of, network)))
    card = _answered(tried, answers)
    ready = graph.fitted(network, tried.found.head, tried.found.chosen, card)
    check(should_stop)
    saved = replace(card, output="softmax", network={}, weights_file=graph.NETWORK, notes=(*card.notes, graph.KEPT))
    with replacing_folder(folder) as temporary:
        report(on_progress, 1, 3, "Writing the model folder")
        graph.save(ready, temporary / graph.NETWORK)
        saved.save(temporary)
        check(should_stop)
        report(on_progress, 2, 3, "Comparing the two")
        again = graph.sized(temporary / graph.NETWORK, card.name, card.patch_shape)
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
        found = _with_output(found, answers.output)
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
    head = replace(found.head, activation=ending(values, form, found.activation))
    heads = [head if number == found.chosen % len(found.heads) else each for number, each in enumerate(found.heads)]
    return _found(examined, replace(found, heads=tuple(heads)))


def _check(examined: Examined, answers: Answers) -> None:
    """What of the answers can be checked before the network is loaded. Raises SettingsError."""
    found = examined.found
    if answers.output is not None:
        _with_output(found, answers.output)
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
        pixel_size_m=answers.pixel_size_m,
        assumed=tuple(assumed),
    )


def _with_output(found: Described, asked: str) -> Described:
    """The same with another output as the answer: by its name, or its number from 1."""
    names = [head.name for head in found.heads]
    numbers = [str(number) for number in range(1, len(names) + 1)]
    for words in (names, numbers):
        if asked in words:
            return replace(found, chosen=words.index(asked), why="as asked", sure=True)
    raise SettingsError(
        f"the output {asked!r}",
        expected="one of " + ", ".join(head.told() for head in found.heads),
        do="Name one of these, or its number from 1",
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
