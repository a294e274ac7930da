"""What can be taken home from a prediction: rasters, a picture, and the file that places the picture on the ground."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import streamlit as st
from PIL import Image

from core.claims import scratch
from core.classes import IGNORED_ID
from core.geo import GeoRef
from core.prediction.folder.rasters import CONFIDENCE, LABELS, PROBABILITIES, Prediction
from core.scenes.scene import windows_of
from core.words import file_stem, size_words
from ui import library, state
from ui.viewer import tiles
from ui.viewer.viewer import ViewerState

_PICTURE_PX = 8192  # longest side of the downloaded picture
_STEP_PX = 2048
_MOST_BYTES = 150e6  # above it a file is streamed from the disk, not sent through the page


def downloads(prediction: Prediction, seen: ViewerState) -> None:
    """Buttons for the rasters and the picture, with the threshold of the viewer; made only when they are pressed."""
    title = library.prediction_title(prediction.folder)
    part = f"from {seen.threshold:.2f} {seen.unsure}" if seen.threshold else "all"
    as_seen = file_stem(title, "classes", part)
    if seen.threshold:
        fate = "get the class of their neighbours" if seen.unsure == "neighbour" else "are left out"
        st.caption(f"Classes and picture as in the viewer: pixels with a confidence below {seen.threshold:.2f} {fate}.")
    with st.container(horizontal=True):
        words = "One class id per pixel with its colour table; 255 is nodata."
        if seen.threshold:
            hint = f"{words} A large scene takes a while."
            _button("Classes (GeoTIFF)", lambda: labels_tiff(prediction, seen), f"{as_seen}.tif", "labels", hint)
        else:
            button_of_file("Classes (GeoTIFF)", prediction.folder / LABELS, f"{as_seen}.tif", "labels", words)
        for label, file, hint in (
            ("Confidence", CONFIDENCE, "Probability of the chosen class, 0 to 255."),
            ("Probabilities", PROBABILITIES, "One band per class, 255 means certain."),
        ):
            name = label.lower()
            button_of_file(f"{label} (GeoTIFF)", prediction.folder / file, f"{file_stem(title, name, 'all')}.tif", name, hint)
        factor = thinned(prediction)
        size = f"Every {factor}th pixel, so that the longer side has at most {_PICTURE_PX} px." if factor > 1 else "In full size."
        hint = f"The classes in the colours shown. {size}"
        _button("Picture (PNG)", lambda: label_png(prediction, seen), f"{as_seen}.png", "png", hint, "image/png")
        if prediction.geo.crs is not None or prediction.geo.unnamed:
            named = "not known" if prediction.geo.crs is None else prediction.geo.crs.name
            words = f"Places the PNG in a GIS: keep both under one name in one folder. CRS: {named}"
            _button("World file (PGW)", lambda: world_file(prediction).encode(), f"{as_seen}.pgw", "pgw", words, "text/plain")


def labels_tiff(prediction: Prediction, seen: ViewerState) -> bytes:
    """The labels with the viewer's threshold, as a cloud-optimized GeoTIFF."""
    from core.prediction.folder.label_file import write_labels  # brings numba, which the page itself does without

    with scratch() as folder:
        return write_labels(prediction, folder / LABELS, threshold=seen.threshold, unsure=seen.unsure).read_bytes()


def thinned(prediction: Prediction) -> int:
    """Every how many pixels the picture shows one."""
    return max(1, -(-max(prediction.height, prediction.width) // _PICTURE_PX))


def label_png(prediction: Prediction, seen: ViewerState) -> bytes:
    """The labels as an indexed PNG, so that a pixel still holds its class id; clear where there is none.

    Scenes with a longer side than 8192 px are thinned out: the pixel in the middle of each square is taken.
    """
    factor = thinned(prediction)
    middle = factor // 2
    out = np.full((max(1, prediction.height // factor), max(1, prediction.width // factor)), IGNORED_ID, np.uint8)
    for window in windows_of(prediction.height, prediction.width, _STEP_PX // factor * factor):
        part = prediction.labels(window, seen.threshold, unsure=seen.unsure)[middle::factor, middle::factor]
        place = out[window.row // factor :, window.col // factor :][: part.shape[0], : part.shape[1]]
        place[:] = part[: place.shape[0], : place.shape[1]]
    picture = Image.fromarray(out).convert("P")
    colours = np.full((256, 3), 155, np.uint8)
    colours[: len(prediction.scheme)] = state.shown(prediction.scheme).colours
    picture.putpalette(colours.tobytes())
    file = io.BytesIO()
    picture.save(file, "PNG", transparency=IGNORED_ID)
    return file.getvalue()


def world_file(prediction: Prediction) -> str:
    """The six lines that place `label_png` on the ground: pixel sizes and turns, then the middle of the first pixel."""
    factor = thinned(prediction)
    geo: GeoRef = prediction.geo.scaled(1 / factor)
    place = geo.transform
    x, y = place * (0.5, 0.5)
    return "".join(f"{value:.15g}\n" for value in (place.a, place.d, place.b, place.e, x, y))


def _button(label: str, make: Callable[[], bytes], name: str, key: str, hint: str, mime: str = "image/tiff") -> None:
    st.download_button(label, make, name, mime, key=f"download_{key}", help=hint, on_click="ignore", icon=":material/download:")


def button_of_file(label: str, path: Path, name: str, key: str, hint: str) -> None:
    """A button that brings a file as it lies on the disk; a large one is streamed."""
    size = path.stat().st_size
    words = f"{label} · {size_words(size)}"
    if size > _MOST_BYTES:
        st.link_button(words, tiles.file_url(path, name), help=hint, icon=":material/download:")
    else:
        _button(words, path.read_bytes, name, key, hint)
