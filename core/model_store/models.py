"""Models on disk: found by name or path, described by their card, loaded when asked."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from core.classes import ClassScheme
from core.errors import ModelError
from core.model_store.cards import CARD_FILE, MEASURED, ModelCard
from core.model_store.file_kinds import refused
from core.model_store.legacy import SUFFIXES, Described, describe
from core.model_store.outputs import SHARES, refusal_of_outputs
from core.model_store.saved_models import is_saved_model
from core.model_store.serving import onnx_file
from core.model_store.serving.deepness import FULL
from core.model_store.serving.graph import weights_beside
from core.model_store.trust import refuse_untrusted
from core.reading.readable import Unreadable, refusing, sorted_out
from core.workspace import MODELS, default_workspace

if TYPE_CHECKING:
    import keras


_OF_OPENVINO = ".xml"
_UNNAMED_VALUE = "Value"
_SERVED = {_OF_OPENVINO: "the serving function of a SavedModel", onnx_file.SUFFIX: "an ONNX network"}


@dataclass(frozen=True)
class Model:
    """A model: its card, the folder it lies in, and the file of its network."""

    card: ModelCard
    folder: Path
    file: Path

    @property
    def served(self) -> str:
        """What a network is that OpenVINO alone can load: that of a SavedModel's serving function, or an ONNX file; "" for Keras's."""
        return _SERVED.get(self.file.suffix, "")

    @property
    def files(self) -> tuple[Path, ...]:
        """The files of its network."""
        return (self.file, weights_beside(self.file)) if self.file.suffix == _OF_OPENVINO else (self.file,)

    @property
    def by_whole_path(self) -> Model:
        """The same model as a process that works in another folder finds it."""
        return replace(self, folder=self.folder.resolve(), file=self.file.resolve())

    @property
    def size_bytes(self) -> int:
        """Size of the network's files."""
        return sum(file.stat().st_size for file in self.files)

    def keras_model(self, *, height: int | None = None, width: int | None = None) -> keras.Model:
        """The network, not compiled: normalised float32 (n, h, w, B) -> probabilities float32 (n, h, w, K).

        Whatever the stored network ends in (one sigmoid channel, logits) becomes probabilities of the K classes.
        With `height` and `width` the network is built anew for that size, where it is one of ours.
        Raises ModelError when the file cannot be loaded.
        """
        if self.served:
            raise ModelError(
                f"{self.card.name} is {self.served}, which Keras cannot load",
                expected="a network of Keras",
                do="Predict and evaluate with it; to train it further or to export it, import it from a .keras or .h5 file",
            )
        from core.model_store.loading import load_network, resized

        network = load_network(self.file, self.card)
        if (height, width) == (None, None) or (height, width) == tuple(network.input_shape[1:3]):
            return network
        return resized(network, self.card, height=height or self.card.patch_shape[0], width=width or self.card.patch_shape[1])


def model_folders() -> list[Path]:
    """Where models are looked for by name: the project's own, then the user's workspace."""
    return [MODELS, default_workspace().root / "models"]


def list_models(extra_folders: Iterable[str | os.PathLike] = ()) -> list[Model]:
    """Every model that can be opened in the model folders, and in or directly under `extra_folders`, by name."""
    return sort_models(extra_folders)[0]


def sort_models(extra_folders: Iterable[str | os.PathLike] = ()) -> tuple[list[Model], list[Unreadable]]:
    """The models of `list_models`, and the folders with a card that cannot be opened, as half-copied ones, with their reasons."""
    folders: dict[Path, Path] = {}
    for parent in [*model_folders(), *map(Path, extra_folders)]:
        for folder in [parent, *sorted(parent.iterdir())] if parent.is_dir() else []:
            if not folder.name.startswith(".") and os.path.lexists(folder / CARD_FILE):
                folders.setdefault(folder.resolve(), folder)
    found, bad = sorted_out(folders.values(), _open_folder)
    return sorted(found, key=lambda model: model.card.name.lower()), bad


def find_model(name_or_path: str | os.PathLike) -> Model:
    """A model by name, folder, or Keras file (`.keras`, `.h5`, `.hdf5`).

    A file without a card beside it gets one made from what the file says; `card.assumed` lists what it does not say.
    Raises ModelError.
    """
    with refusing(Path(name_or_path).name, ModelError, "a model folder, or a whole Keras file"):
        return _found(name_or_path)


def _found(name_or_path: str | os.PathLike) -> Model:
    path = Path(name_or_path).expanduser()
    if path.is_dir():
        if is_saved_model(path) and not (path / CARD_FILE).is_file():
            raise ModelError(f"the SavedModel folder {path.name} without a card", expected="a model folder", do="Import it first")
        return _open_folder(path)
    if path.is_file():
        return _open_file(path)
    for parent in model_folders():
        if (parent / path / CARD_FILE).is_file():
            return _open_folder(parent / path)
    known = sorted({model.folder.name for model in list_models()})
    raise ModelError(
        f"no model called {str(name_or_path)!r}",
        expected=("one of " + ", ".join(known) + ", or " if known else "") + "a model folder or a .keras, .h5 or .hdf5 file",
        do="Check the name with `python -m core models`",
    )


def _open_folder(folder: Path) -> Model:
    card = ModelCard.load(folder)
    file = folder / card.weights_file
    model = Model(card, folder, file)
    missing = next((one.name for one in model.files if not one.is_file()), None)
    if missing:
        raise ModelError(f"no {missing} in {folder}", expected="the network beside its card", do="Copy the whole model folder")
    return model


def _open_file(path: Path) -> Model:
    if path.name == CARD_FILE:
        return _open_folder(path.parent)
    if (path.parent / CARD_FILE).is_file():
        card = ModelCard.load(path.parent)
        if card.weights_file == path.name:
            return Model(card, path.parent, path)
    if path.suffix.lower() not in SUFFIXES:
        raise refused(path)
    return Model(card_from_file(path), path.parent, path)


def card_from_file(path: str | os.PathLike) -> ModelCard:
    """A card for a Keras file that has none; what the file does not say is guessed and listed in `assumed`."""
    path = Path(path)
    found = describe(path)
    if found.runs_code:
        refuse_untrusted(path)
    if not found.sure:
        raise refusal_of_outputs(path.name, found.heads)
    return proposed_card(path, found)


def proposed_card(path: Path, found: Described) -> ModelCard:
    """The card of `card_from_file`, for a file that may hold code: nothing of it is run here."""
    output, notes = _ending(found)
    network = {"output": found.chosen % len(found.heads)} if len(found.heads) > 1 else {}
    height, width = found.sides
    return ModelCard(
        name=path.stem,
        architecture=found.served or "file",
        scheme=_scheme(found),
        bands=tuple(range(1, found.bands + 1)),
        patch_size=height,
        patch_width=None if height == width else width,
        network=network,
        output=output,
        normalisation=found.told.normalisation or {"kind": "divide", "divisor": FULL},
        pixel_size_m=found.told.pixel_size_m,
        weights_file=path.name,
        licence=found.told.licence,
        notes=(_read_from(path, found), *notes, *_shaped(found), *_said(found)),
        assumed=tuple(guesses(found).values()),
    )


def _read_from(path: Path, found: Described) -> str:
    if not found.served:
        return f"Read from the Keras file {path.name}; its custom losses and metrics are not needed and left out."
    return f"Read from the {'ONNX file' if found.served == 'onnx' else 'SavedModel'} {path.name}."


def _names(found: Described) -> tuple[str, ...] | None:
    """The names of the classes as the file tells them; None where it does not, or tells others than it gives."""
    return found.told.classes(found.chosen % len(found.heads), _classes(found))


def _classes(found: Described) -> int:
    """How many classes it gives; where only its names tell it, as many as it names."""
    if found.told.measures:
        return 1
    named = len(found.told.names[0]) if found.told.names else 0
    return max(2, found.outputs or named)


def _scheme(found: Described) -> ClassScheme:
    names = _names(found)
    scheme = default_scheme(_classes(found))
    if found.told.measures:
        return replace(scheme, names=names or (_UNNAMED_VALUE,))
    return scheme if names is None else replace(scheme, names=names).natural()


def _said(found: Described) -> list[str]:
    """What a file says about itself: its licence, what is of use to people, and names that do not fit."""
    said = [f"Licence, as the file says: {found.told.licence}"] if found.told.licence else []
    if found.told.names and found.outputs and _names(found) is None and not found.told.measures:
        said.append(
            f"It names {len(found.told.names[0])} classes and gives {max(2, found.outputs)}, or names two alike: its names are left out."
        )
    return [*said, *found.told.notes]


def guesses(found: Described) -> dict[str, str]:
    """What `proposed_card` had to guess, by the card's field: sentences that people can check."""
    made = {}
    if found.told.normalisation is None:
        made["normalisation"] = "8-bit images, divided by 255"
    made["bands"] = f"the first {found.bands} bands in the image's order" if found.bands != 3 else "bands 1, 2, 3 = red, green, blue"
    if found.told.measures and _names(found) is None:
        made["scheme"] = f"what is measured is called {_UNNAMED_VALUE}"
    elif _names(found) is None:
        made["scheme"] = f"class names and colours ({max(2, found.outputs)} classes)"
    if len(found.heads) > 1:
        made["output"] = f"the output {found.head.name} is the answer, {found.why}; the file also gives {_others(found)}"
    if _ending(found)[0] == "logits":
        made["logits"] = "the output is logits, turned into probabilities by a softmax"
    if found.free and found.told.patch_size is None:
        made["patch_size"] = f"patches of {found.tried_px} x {found.tried_px} pixels, since the network takes any size"
    return made


def _ending(found: Described) -> tuple[str, list[str]]:
    share = found.activation in SHARES
    if found.told.measures:
        return MEASURED, ["It measures: each pixel gets the number that the network gives, in its own unit."]
    if found.outputs == 1:
        if share:
            return "sigmoid", ["One sigmoid channel: read as two classes, background (1 - p) and object (p)."]
        return "logits", ["One channel without activation: read as two classes through a sigmoid."]
    if found.activation == "joined":
        return "sigmoid", ["Values that do not add up to 1, as of several heads side by side: they are divided by their sum."]
    if share:
        return "sigmoid", ["One sigmoid per class: the values are divided by their sum to become probabilities."]
    return ("softmax", []) if found.activation == "softmax" else ("logits", [])


def _shaped(found: Described) -> list[str]:
    """What is done to the output that counts: which one it is, and how its values become a map in the image's size."""
    said, form = [], found.form
    if len(found.heads) > 1:
        said.append(f"Of {len(found.heads)} outputs {found.head.told()} is the answer, {found.why}; left out: {_others(found)}.")
    if found.sides[0] != found.sides[1]:
        said.append("Patches measure {} x {} pixels, height by width.".format(*found.sides))
    if form is None:
        return said
    if form.layout == "list":
        said.append("The output is a list of pixels: read row by row as a map.")
    if form.layout == "list, classes first":
        said.append("The output is a list of pixels for each class: read row by row as a map.")
    if form.layout == "classes first":
        said.append("What the output gives stands before rows and columns: turned round.")
    if form.times > 1:
        said.append(f"One value of the output stands for {form.times} x {form.times} pixels; probabilities are enlarged bilinearly.")
    return said


def _others(found: Described) -> str:
    return ", ".join(head.told() for head in found.heads if head is not found.head)


def refuse_measuring(card: ModelCard) -> None:
    """Called where classes are needed. Raises ModelError for a network that measures."""
    if card.measured is not None:
        raise ModelError(
            f"{card.name} measures {card.measured}, and gives no classes", expected="a model that gives classes", do="Choose another model"
        )


def default_scheme(classes: int) -> ClassScheme:
    """Class names and well-separated colours for a model that does not name its classes."""
    if classes == 2:
        return ClassScheme(("Background", "Object"), ((64, 64, 64), (230, 80, 40)))
    return ClassScheme.unnamed(classes)
