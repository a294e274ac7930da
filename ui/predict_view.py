"""The forms and results of the Predict page."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import streamlit as st
from PIL import Image

from core.classes import IGNORED_ID
from core.data.datasets import Pair
from core.errors import GroundlineError, SceneError
from core.learning.cards import ModelCard
from core.learning.confusion import Confusion
from core.learning.model_store import Model
from core.prediction.rasters import Prediction
from core.scene import Scene, open_scene, windows_of
from ui import charts, library, state, uploads

_SOURCES = {"data": "From a data set", "path": "File or folder", "upload": "Upload"}
_IMAGES = ["tif", "tiff", "png", "jpg", "jpeg", "jp2", "h5", "img", "vrt"]
_STEP_PX = 1024
_PICTURE_PX = 8192  # longest side of the downloaded picture


def open_setup(path: str | None = None) -> None:
    """Have the Predict page open its form at the next visit, with the scene `path` already named."""
    st.session_state["gl_predict_open"] = True
    if path is not None:
        st.session_state["predict_source"], st.session_state["predict_path"] = "path", str(path)


def wanted_open() -> bool:
    """Whether someone asked for the open form; asked once."""
    return st.session_state.pop("gl_predict_open", False)


def choose_scene() -> Path | None:
    """The scene to predict: of a data set, by its path, or sent by the browser."""
    source = st.segmented_control(
        "Scene", list(_SOURCES), default="data", required=True, format_func=_SOURCES.get, key="predict_source", persist_state="session"
    )
    if source == "data":
        return _scene_of_dataset()
    if source == "path":
        typed = st.text_input(
            "Path",
            key="predict_path",
            persist_state="session",
            placeholder="/data/scene.tif",
            help="An image, or a folder of neighbouring chips.",
        )
        return Path(typed.strip().strip('"')).expanduser() if typed.strip() else None
    sent = st.file_uploader("Image", type=_IMAGES, key="predict_upload", help="Large scenes are better opened by their path.")
    return uploads.save(sent.name, sent, state.workspace().uploads) if sent is not None else None


def describe_scene(path: Path) -> Scene:
    """One line on the scene: size, bands, ground sample distance. Raises SceneError when it is no image."""
    scene = open_scene(path)
    pixel_m = scene.ground_sample_distance_m
    ground = f"{pixel_m:.2g} m per pixel" if pixel_m else "no georeference: results are in pixels"
    st.caption(f"{scene.height:,} × {scene.width:,} px (height × width), {scene.bands} bands of {scene.dtype}, {ground}")
    return scene


def choose_model() -> str | None:
    """The model to predict with, and what its card says in one line."""
    models = {model_key(model): model for model in library.models()}
    if not models:
        st.markdown("No model yet. Train one first.")
        return None
    current = state.selection().model
    names = list(models)
    index = names.index(current) if current in names else 0
    titles = _model_titles(models)
    chosen = st.selectbox("Model", names, index=index, format_func=titles.get, help="Shipped models and your own.")
    state.select(model=chosen)
    card = models[chosen].card
    score = _score(card)
    network = f"{card.architecture} · {card.encoder}" if card.encoder else card.architecture
    scored = "" if score is None else f", mean IoU {score:.2f} on validation"
    st.caption(f"{network}, patches of {card.patch_size} px, {len(card.bands)} bands of {card.dtype}{scored}")
    return chosen


def _model_titles(models: dict[str, Model]) -> dict[str, str]:
    """The models' names; those that share one are told apart by their folders."""
    counts = Counter(model.card.name for model in models.values())
    return {
        key: f"{model.card.name} · {model.folder.name}" if counts[model.card.name] > 1 else model.card.name for key, model in models.items()
    }


def model_key(model: Model) -> str:
    """How a model is named in the selection: its name when it ships with the project, its folder otherwise."""
    folder = Path(model.folder)
    return folder.name if folder.parent == state.PROJECT / "models" else str(folder)


def settings(card: ModelCard) -> dict:
    """Sliders of a prediction, as request keys."""
    first, second, third = st.columns(3, gap="large", vertical_alignment="center")
    sizes = sorted({card.patch_size, 128, 256, 384, 512})
    size = first.select_slider(
        "Patch size, px",
        sizes,
        card.patch_size,
        key=f"predict_patch_{card.patch_size}",
        persist_state="session",
        help=f"The model was trained on {card.patch_size} px. Larger patches see more around each pixel and need more memory.",
    )
    overlap = second.slider(
        "Overlap of patches, %",
        0,
        75,
        50,
        5,
        key="predict_overlap",
        persist_state="session",
        help="More overlap hides seams and takes longer.",
    )
    turned = third.toggle(
        "Average eight turns and flips",
        False,
        key="predict_symmetries",
        persist_state="session",
        help="A little better, about eight times slower.",
    )
    return {"patch_size": None if size == card.patch_size else size, "overlap": overlap / 100, "symmetries": 8 if turned else 1}


def advanced() -> dict:
    """Memory and engine, as request keys."""
    with st.expander("Advanced"):
        memory = st.select_slider(
            "Memory",
            ["512MiB", "1GiB", "2GiB", "4GiB"],
            "1GiB",
            key="predict_memory",
            persist_state="session",
            help="An upper bound for the strips.",
        )
        engine = st.selectbox(
            "Engine",
            ["auto", "openvino", "tensorflow"],
            key="predict_engine",
            persist_state="session",
            format_func={"auto": "Automatic", "openvino": "OpenVINO (CPU)", "tensorflow": "TensorFlow"}.get,
            help="Automatic takes the fastest one that is installed.",
        )
    return {"memory": memory, "engine": engine}


def source_scene(prediction: Prediction) -> Path | None:
    """The scene that a prediction lies on, when its file is still there and the prediction covers the whole of it."""
    path = Path(prediction.made["scene"])
    try:
        scene = open_scene(path)
    except SceneError:
        return None
    return path if scene.shape == (prediction.height, prediction.width) else None


def how_made(prediction: Prediction) -> None:
    """One line on how the prediction was made, and what was doubtful about its scene."""
    made, settings = prediction.made, prediction.made["settings"]
    turns = ", eight turns averaged" if settings.get("symmetries") == 8 else ""
    st.caption(
        f"{prediction.height:,} × {prediction.width:,} px · {made['windows']:,} patches of {settings['patch_size']} px, "
        f"{100 * settings['overlap']:.0f} % overlap{turns} · {made['engine']}, network time {made['model_seconds']:.0f} s"
    )
    for concern in made.get("warnings", ()):
        st.warning(concern["sentence"], icon=":material/warning:")


def truth_of(scene: Path | None) -> Pair | None:
    """The pair of a known data set whose image is this scene."""
    if scene is None:
        return None
    for folder in library.datasets():
        try:
            pairs = library.dataset(folder).pairs
        except (GroundlineError, OSError):  # a data set of yesterday may be gone; the prediction is still worth showing
            continue
        for pair in pairs:
            if Path(pair.image_path).resolve() == scene.resolve():
                return pair
    return None


def shares(prediction: Prediction, threshold: float) -> None:
    """Pixels, area and mean confidence of each class at a confidence threshold (0..1), and a chart of the shares."""
    counts = _confidence_counts(str(prediction.folder), library.stamp(prediction.folder))
    levels = np.arange(256)
    kept = counts * (levels >= round(255 * threshold))
    pixels, unsure = kept.sum(axis=1), int(counts.sum() - kept.sum())
    area_m2 = prediction.geo.pixel_area_m2(prediction.height / 2, prediction.width / 2)
    known = max(1, int(counts.sum()))
    table = pd.DataFrame(
        {
            "class": [*prediction.scheme.names, "unsure"],
            "pixels": [*pixels, unsure],
            "share": [*(100 * pixels / known), 100 * unsure / known],
            "mean confidence": _means(np.vstack([kept, (counts - kept).sum(axis=0)])),
        }
    )
    if area_m2 is not None:
        table.insert(2, "area, m²", table["pixels"] * area_m2)
    left, right = st.columns([3, 2], gap="large")
    left.dataframe(
        table,
        hide_index=True,
        column_config={
            "pixels": st.column_config.NumberColumn(format="localized"),
            "area, m²": st.column_config.NumberColumn(format="%,.0f"),
            "share": st.column_config.NumberColumn(format="%.1f %%", help="Of the pixels that hold data"),
            "mean confidence": st.column_config.NumberColumn(format="%.2f", help="Of the most probable class, 0 to 1"),
        },
    )
    right.plotly_chart(charts.shares(prediction.scheme, pixels / known), key="predict_shares")


def scores(prediction: Prediction, truth: Pair) -> None:
    """Accuracy, mean IoU and the classes' own scores against a mask."""
    confusion = _confusion(str(prediction.folder), library.stamp(prediction.folder), truth)
    summary = confusion.summary(prediction.scheme)
    a, b, c = st.columns(3)
    a.metric("Accuracy", _number(summary["accuracy"]), border=True, help="Share of labelled pixels with the right class.")
    b.metric("Mean IoU", _number(summary["mean_iou"]), border=True, help="Intersection over union, averaged over the classes that occur.")
    c.metric("Labelled pixels", f"{summary['pixels']:,}", border=True, help=f"{summary['ignored_pixels']:,} without a label do not count.")
    rows = [
        {"class": name, **{key: values[key] for key in ("iou", "precision", "recall", "f1")}} for name, values in summary["classes"].items()
    ]
    score = {
        key: st.column_config.NumberColumn({"iou": "IoU", "f1": "F1"}.get(key, key), format="%.3f")
        for key in ("iou", "precision", "recall", "f1")
    }
    st.dataframe(pd.DataFrame(rows), hide_index=True, column_config=score)


def downloads(prediction: Prediction) -> None:
    """Buttons for the rasters, read only when they are pressed."""
    stem = library.prediction_title(prediction.folder).replace(" ", "-")
    entries = (
        ("Classes (GeoTIFF)", "labels.tif", "labels", "image/tiff", "One class id per pixel with its colour table; 255 is nodata."),
        ("Confidence (GeoTIFF)", "confidence.tif", "confidence", "image/tiff", "Probability of the chosen class, 0 to 255."),
        ("Probabilities (GeoTIFF)", "probabilities.tif", "probabilities", "image/tiff", "One band per class, 255 means certain."),
    )
    with st.container(horizontal=True):
        for label, name, part, mime, hint in entries:
            path = prediction.folder / name
            st.download_button(
                f"{label} · {_size(path)}", _reader(path), f"{stem}-{part}.tif", mime, key=f"download_{part}", help=hint, on_click="ignore"
            )
        st.download_button(
            "Picture (PNG)",
            lambda: label_png(prediction),
            f"{stem}.png",
            "image/png",
            key="download_png",
            on_click="ignore",
            help="The classes in colour.",
        )


def label_png(prediction: Prediction) -> bytes:
    """The labels as an indexed PNG, so that a pixel still holds its class id; clear where there is no data.

    Scenes with a longer side than 8192 px are thinned out to that.
    """
    factor = max(1.0, max(prediction.height, prediction.width) / _PICTURE_PX)
    shape = (round(prediction.height / factor), round(prediction.width / factor))
    picture = Image.fromarray(prediction.scene().read(bands=[1], out_shape=shape, categorical=True)[..., 0]).convert("P")
    colours = np.full((256, 3), 155, np.uint8)
    colours[: len(prediction.scheme)] = prediction.scheme.colours
    picture.putpalette(colours.tobytes())
    out = io.BytesIO()
    picture.save(out, "PNG", transparency=IGNORED_ID)
    return out.getvalue()


def _scene_of_dataset() -> Path | None:
    known = library.datasets()
    if not known:
        st.markdown("No data set is open. Open one on Home, or give the path of an image.")
        return None
    current = state.selection().dataset
    left, right = st.columns(2)
    folder = left.selectbox(
        "Data set", known, index=known.index(current) if current in known else 0, format_func=library.dataset_title, key="predict_dataset"
    )
    scenes = library.scenes_of(folder)
    chosen = state.selection().scene
    names = [choice.image for choice in scenes]
    start = names.index(chosen) if chosen in names else library.largest(scenes)
    pick = right.selectbox("Image", scenes, index=start, format_func=lambda choice: choice.name, key=f"predict_scene_{folder}")
    return pick.image


def _means(counts: np.ndarray) -> np.ndarray:
    """Mean confidence (0..1) of rows of pixel counts (n, 256) by level; 0 for a row without pixels."""
    return counts @ np.arange(256) / np.maximum(counts.sum(axis=1), 1) / 255


def _score(card: ModelCard) -> float | None:
    for part in ("validation", "test"):
        values = card.metrics.get(part)
        if isinstance(values, dict) and values.get("mean_iou") is not None:
            return float(values["mean_iou"])
    return None


def _number(value: float | None) -> str:
    return "–" if value is None or value != value else f"{value:.3f}"


def _reader(path: Path) -> Callable[[], bytes]:
    return path.read_bytes


def _size(path: Path) -> str:
    size = path.stat().st_size
    return f"{size / 1e6:.1f} MB" if size >= 1e5 else f"{size / 1e3:.0f} kB"


@st.cache_data(max_entries=16, show_spinner="Counting pixels")
def _confidence_counts(folder: str, stamp: int) -> np.ndarray:
    """Pixels int64 (K, 256) by class and confidence level; any threshold is then a sum."""
    prediction = Prediction.open(folder)
    classes = len(prediction.scheme)
    counts = np.zeros(classes * 256, np.int64)
    for window in windows_of(prediction.height, prediction.width, _STEP_PX):
        labels = prediction.labels(window).astype(np.int64)
        confidence = prediction.confidence(window).astype(np.int64)
        inside = labels < classes
        counts += np.bincount(labels[inside] * 256 + confidence[inside], minlength=classes * 256)
    return counts.reshape(classes, 256)


@st.cache_data(
    max_entries=16, show_spinner="Comparing with the mask", hash_funcs={Pair: lambda pair: (str(pair.image_path), str(pair.mask_path))}
)
def _confusion(folder: str, stamp: int, truth: Pair) -> Confusion:
    prediction = Prediction.open(folder)
    if truth.shape != (prediction.height, prediction.width):
        raise SceneError(
            f"a mask of {truth.shape[0]} x {truth.shape[1]} pixels (height x width)",
            expected=f"the size of the prediction, {prediction.height} x {prediction.width}",
            do="Predict the image that belongs to this mask",
        )
    total = Confusion.empty(len(prediction.scheme))
    for window in windows_of(prediction.height, prediction.width, _STEP_PX):
        total = total.add(truth.labels(prediction.scheme, window), prediction.labels(window))
    return total
