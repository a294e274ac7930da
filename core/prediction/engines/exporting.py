"""A model for other programs: SavedModel, ONNX or OpenVINO, read again and compared before it takes its name."""

from __future__ import annotations

import importlib.util
import os
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from core.errors import ExportError, SettingsError
from core.files import replacing, replacing_folder
from core.model_store.cards import CARD_FILE
from core.model_store.models import Model
from core.prediction.engines.engine import compiled, convert, writing
from core.progress import OnProgress, ShouldStop, check, report

FORMATS = {"onnx": "ONNX, one file", "savedmodel": "TensorFlow SavedModel, a folder", "openvino": "OpenVINO, a folder"}
_TOLERANCE = 1e-3


@dataclass(frozen=True)
class Exported:
    """What was written: its path, format and size, and the largest difference of a probability from the model."""

    path: Path
    format: str
    size_bytes: int
    difference: float


def export_model(
    model: Model,
    path: str | os.PathLike,
    *,
    format: str | None = None,
    on_progress: OnProgress | None = None,
    should_stop: ShouldStop | None = None,
) -> Exported:
    """Write the network for patches of the card's size: normalised float32 (n, h, w, B) -> probabilities float32 (n, h, w, K).

    `format` is one of `FORMATS`; by default ONNX for a path that ends in .onnx, SavedModel otherwise. The card, which
    holds normalisation, bands and classes, lies in the folder, or beside the ONNX file as NAME.card.json.
    Raises SettingsError for a format or place that cannot be, ExportError when what is read again answers differently.
    """
    path = Path(path)
    chosen = format or ("onnx" if path.suffix.lower() == ".onnx" else "savedmodel")
    _check_wish(chosen, path)
    report(on_progress, 0, 3, f"Loading {model.card.name}")
    height, width = model.card.patch_shape
    network = model.keras_model(height=height, width=width)
    card = replace(model.card, output="softmax", weights_file=path.name)
    sample = np.random.default_rng(0).random((1, height, width, network.input_shape[-1]), np.float32)
    expected = network.predict_on_batch(sample)  # Keras exports only what was called before
    check(should_stop)
    report(on_progress, 1, 3, f"Writing {FORMATS[chosen]}")
    place = replacing(path) if chosen == "onnx" else replacing_folder(path)
    with place as temporary:
        if chosen == "openvino":
            written = convert(network, (height, width), temporary, told=path)
        else:
            with writing(path):
                network.export(temporary, format="onnx" if chosen == "onnx" else "tf_saved_model", verbose=False)
            written = temporary
        check(should_stop)
        report(on_progress, 2, 3, "Reading it again")
        difference = _difference(written, sample, expected)
        if chosen != "onnx":
            card.save(temporary)
    if chosen == "onnx":
        card.save(path.with_name(f"{path.stem}.{CARD_FILE}"))
    report(on_progress, 3, 3, "Done")
    files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
    return Exported(path, chosen, sum(file.stat().st_size for file in files), difference)


def _check_wish(chosen: str, path: Path) -> None:
    if chosen not in FORMATS:
        raise SettingsError(f"the export format {chosen!r}", expected="one of " + ", ".join(FORMATS), do="Choose one of these")
    needed = ("onnx", "tf2onnx", "openvino") if chosen == "onnx" else ("openvino",)
    missing = " ".join(name for name in needed if importlib.util.find_spec(name) is None)
    if missing:
        raise SettingsError(
            f"an export as {chosen} without the packages {missing}",
            expected="them: to write it, or to read again what was written",
            do=f"Install them with `pip install {missing}`, or choose another format",
        )
    if path.is_dir() and (chosen == "onnx" or any(path.iterdir())):
        raise SettingsError(f"{path} holds other files", expected="a new place", do="Choose another name")


def _difference(written: Path, sample: np.ndarray, expected: np.ndarray) -> float:
    """The largest difference of what OpenVINO, which reads all three formats, makes of the export. Raises ExportError."""
    try:
        found = compiled(written, 1)(sample)
    except Exception as error:  # OpenVINO raises its own base class only
        raise ExportError(
            f"an export that cannot be read again ({' '.join(str(error).split())[:200]})",
            expected="a network that OpenVINO takes",
            do="Export in another format",
        ) from error
    difference = float(np.abs(found - expected).max()) if found.shape == expected.shape else float("inf")
    if not difference <= _TOLERANCE:
        raise ExportError(
            f"an export that differs from the model by {difference:.2g}", expected=f"at most {_TOLERANCE:g}", do="Export in another format"
        )
    return difference
