"""A model for other programs: SavedModel, ONNX or OpenVINO, read again and compared before it takes its name."""

from __future__ import annotations

import importlib.util
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from core.errors import ExportError, SettingsError
from core.files import replacing, replacing_folder, write_json
from core.model_store.cards import CARD_FILE, ModelCard
from core.model_store.models import Model
from core.model_store.serving.deepness import keys_of
from core.networks.answering import answer
from core.prediction.engines.engine import compiled, convert, writing
from core.prediction.engines.mlm_item import ITEM_SUFFIX, mlm_item
from core.prediction.engines.onnx_export import expected_of, onnx_of
from core.prediction.settings import BlendSettings
from core.progress import OnProgress, ShouldStop, check, report

FORMATS = {"onnx": "ONNX, one file", "savedmodel": "TensorFlow SavedModel, a folder", "openvino": "OpenVINO, a folder"}
_TOLERANCE = 1e-3


@dataclass(frozen=True)
class Exported:
    """What was written: its path, format and size, the largest difference of a probability from the model, and what others cannot do."""

    path: Path
    format: str
    size_bytes: int
    difference: float
    warnings: tuple[str, ...] = ()


def export_model(
    model: Model,
    path: str | os.PathLike,
    *,
    format: str | None = None,
    on_progress: OnProgress | None = None,
    should_stop: ShouldStop | None = None,
) -> Exported:
    """Write the network for patches of the card's size: normalised float32 (n, h, w, B) -> probabilities float32 (n, h, w, K).

    `format` is one of `FORMATS`; by default ONNX for a path that ends in .onnx, SavedModel otherwise. ONNX has its channels
    first and the keys of QGIS Deepness inside. The card, which holds normalisation, bands and classes, lies in the folder, or
    beside the ONNX file as NAME.card.json, with NAME.stac.json, an item of a STAC catalogue.
    Raises SettingsError for a format or place that cannot be, ExportError when what is read again answers differently.
    """
    path = Path(path)
    chosen = format or ("onnx" if path.suffix.lower() == ".onnx" else "savedmodel")
    _check_wish(chosen, path)
    report(on_progress, 0, 3, f"Loading {model.card.name}")
    height, width = model.card.patch_shape
    network = model.keras_model(height=height, width=width)
    card = replace(model.card, output="softmax", weights_file=path.name)
    warnings: tuple[str, ...] = ()
    sample = np.random.default_rng(0).random((1, height, width, network.input_shape[-1]), np.float32)
    # Keras exports only what was called before.
    expected = expected_of(network, card, sample) if chosen == "onnx" else answer(network, sample)
    check(should_stop)
    report(on_progress, 1, 3, f"Writing {FORMATS[chosen]}")
    place = replacing(path) if chosen == "onnx" else replacing_folder(path)
    with place as temporary:
        if chosen == "openvino":
            written = convert(network, (height, width), temporary, told=path)
        elif chosen == "onnx":
            metadata, warnings = keys_of(card, overlap=BlendSettings().overlap)
            with writing(path):
                _save(onnx_of(network, card, metadata), temporary)
            written = temporary
        else:
            with writing(path):
                network.export(temporary, format="tf_saved_model", verbose=False)
            written = temporary
        check(should_stop)
        report(on_progress, 2, 3, "Reading it again")
        difference = _difference(written, sample, expected, bands_first=chosen == "onnx")
        if chosen == "onnx":
            _describe(replace(card, temperature=1.0), path, temporary, network.count_params())  # its temperature is in the network
        else:
            card.save(temporary)
    report(on_progress, 3, 3, "Done")
    files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
    return Exported(path, chosen, sum(file.stat().st_size for file in files), difference, warnings)


def _save(model: Any, file: Path) -> None:
    import onnx

    onnx.save(model, file)


def _describe(card: ModelCard, path: Path, written: Path, parameters: int) -> None:
    """Write the card and the catalogue's item beside an ONNX file, which takes its name after them."""
    beside = path.with_name(f"{path.stem}.{CARD_FILE}")
    item = mlm_item(card, file=path.name, card_file=beside.name, size_bytes=written.stat().st_size, parameters=parameters)
    card.save(beside)
    write_json(path.with_name(f"{path.stem}{ITEM_SUFFIX}"), item)


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


def _difference(written: Path, sample: np.ndarray, expected: np.ndarray, *, bands_first: bool) -> float:
    """The largest difference of what OpenVINO, which reads all three formats, makes of the export. Raises ExportError."""
    try:
        found = compiled(written, 1)(sample.transpose(0, 3, 1, 2) if bands_first else sample)
        found = found.transpose(0, 2, 3, 1) if bands_first else found
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
