"""What a file of another origin tells before it is loaded, and what has to be asked."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from core.errors import ModelError, SettingsError
from core.model_store.bare_weights import Fit, architecture_beside, bare_weights, fitting_network, unfitting
from core.model_store.cards import MIN_PATCH_PX, ModelCard
from core.model_store.legacy import Described, describe, describe_architecture
from core.model_store.models import guesses, proposed_card
from core.model_store.normalisation import BLUE_FIRST, PUBLISHED_WAYS, normalisation_sentence, read_normalisation, titled
from core.model_store.outputs import refusal_of_shape
from core.model_store.saved_models import is_saved_model
from core.model_store.serving import graph, onnx_file
from core.networks.encoders import published_normalisation, wants_bgr
from core.networks.pure import is_pure
from core.reading.readable import refusing
from core.words import counted

_KEPT = {"savedmodel": f"A SavedModel without Keras's description. {graph.KEPT}", "onnx": f"An ONNX network. {onnx_file.KEPT}"}
_SELF_NORMALISING = {"Rescaling", "Normalization"}
# A layer that only encoders of this kind have, and one of those encoders. Of the ResNets of segmentation_models all take raw values.
_SIGNS = {
    "bn_data": "resnet34",
    "block5_conv3": "vgg16",
    "conv5_block3_out": "resnet50-keras",
    "block_16_project": "mobilenetv2",
    "block7a_project_conv": "efficientnetb0",
}


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
    """Read what a `.h5`, `.hdf5`, `.keras` or `.onnx` file or a SavedModel tells; nothing in it is run. Raises ModelError."""
    with refusing(Path(path).name, ModelError, "a whole Keras file, SavedModel or ONNX file"):
        return _examine(Path(path), of_weights)


def _examine(path: Path, of_weights: OfWeights) -> Examined:
    if not path.exists():
        raise ModelError(f"no file at {path}", expected="a Keras file, SavedModel or ONNX file", do="Check the path")
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
    asks = ["bands", *(key for key in ("normalisation", "scheme") if key in guesses(found))]
    asks += ["patch_size"] if found.free else []
    asks += ["output"] if len(found.heads) > 1 else []
    return Examined(found, card, tuple(asks), _normalisations(found), _tells(found, card, fit), fit)


def choose_output(examined: Examined, output: str) -> Examined:
    """The same file with another of its outputs as the answer, by name or number from 1. Raises SettingsError."""
    return found_out(examined, with_output(examined.found, output))


def found_out(examined: Examined, found: Described) -> Examined:
    """What more is known about the same file."""
    return replace(examined, found=found, card=proposed_card(Path(examined.card.weights_file), found))


def with_output(found: Described, asked: str) -> Described:
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
    if found.told.normalisation is not None:
        usual.insert(0, LikelyNormalisation("As the file says", dict(found.told.normalisation)))
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
    end = {"softmax": "probabilities", "sigmoid": "one probability each", "logits": "values that become probabilities"}.get(card.output, "")
    if found.served:
        end = "values that are looked at when it is loaded"
    classes = f"{len(card.scheme)} classes" if found.outputs else "classes, whose number it does not tell,"
    gives = f"Measures {card.measured}: one value for each pixel." if card.measured else f"Gives {classes} as {end}."
    sentences = [f"Takes {counted(found.bands, 'band')} in patches of {size}.", gives]
    if fit is not None:
        sentences.insert(0, f"Weights alone, which fit {fit.told()}.")
    if found.weights_alone:
        sentences.insert(0, "Weights alone, with the architecture that lies beside them.")
    if found.served:
        kept = _KEPT[found.served]
        sentences.insert(0, kept.replace(onnx_file.KEPT, onnx_file.KEPT_TO_MEASURE) if card.measured else kept)
    if len(found.heads) > 1:
        which = f"{found.head.name} is the answer, {found.why}" if found.sure else "which one is the answer has to be said"
        sentences.append(f"Has {len(found.heads)} outputs: {', '.join(head.told() for head in found.heads)}; {which}.")
    if found.saved_by:
        sentences.append(f"Saved by {found.saved_by if found.served else f'Keras {found.saved_by}'}.")
    if found.compiled_with:
        sentences.append(f"Trained with {', '.join(found.compiled_with)}, which is not needed for predicting.")
    return *sentences, *_told(found, card)


def _told(found: Described, card: ModelCard) -> list[str]:
    """What a file says about itself, as far as a card takes it."""
    told, said = found.told, []
    if "scheme" not in guesses(found) and not card.measured:
        said.append(f"Names its classes: {', '.join(card.scheme.names)}.")
    if told.normalisation is not None:
        said.append(f"Values, as it says: {normalisation_sentence(told.normalisation)}.")
    if told.pixel_size_m is not None:
        said.append(f"Made for pixels of {told.pixel_size_m:g} m.")
    if told.licence is not None:
        said.append(f"Licence, as it says: {told.licence}")
    return [*said, *told.notes]
