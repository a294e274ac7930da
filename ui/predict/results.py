"""The forms and results of the Predict page."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import streamlit as st

from core.confusion import Confusion
from core.datasets.pairs import Pair, cut_pair
from core.errors import GroundlineError
from core.evaluation.against_mask import count_against
from core.plain import in_markdown
from core.prediction.folder.origin import window_of
from core.prediction.folder.rasters import Prediction
from core.prediction.settings import told_size
from core.words import counted, number_words, share_words
from ui import charts, library, state, tables
from ui.predict import models, scenes


def truth_of(prediction: Prediction) -> Pair | None:
    """The masks of a known data set on the pixels that were predicted."""
    pair = scenes.truth_of(Path(prediction.made["scene"])) if "scene" in prediction.made else None
    try:
        return None if pair is None else cut_pair(pair, window_of(prediction))
    except GroundlineError:  # a mask that cannot be read: the prediction is still worth showing
        return None


def how_made(prediction: Prediction) -> None:
    """One line on how the prediction was made, and what was doubtful about its scene."""
    made = {"windows": 0, "engine": "unknown", "model_seconds": 0.0, **prediction.made}
    settings = {"patch_size": 0, "overlap": 0.0, **made.get("settings", {})}
    turns = ", eight turns averaged" if settings.get("symmetries") == 8 else ""
    scales = f", {len(settings['scales'])} scales averaged" if "scales" in settings else ""
    size = told_size(settings["patch_size"])
    workers = f" on {counted(made['workers'], 'worker')} together" if "workers" in made else ""
    st.caption(
        f"{library.pixels_text((prediction.width, prediction.height))} px · {made['windows']:,} patches of {size} px, "
        f"{share_words(settings['overlap'])} overlap{turns}{scales} · "
        f"computed by {in_markdown(models.engine_title(made['engine']))}, network time {made['model_seconds']:.0f} s{workers}"
    )
    for concern in made.get("warnings", ()):
        st.warning(in_markdown(concern["sentence"]), icon=":material/warning:")


def shares(prediction: Prediction, threshold: float) -> None:
    """Pixels, area and mean confidence of each class at a confidence threshold (0..1), and a chart of the shares."""
    counts = _confidence_counts(str(prediction.folder), library.stamp(prediction.folder))
    levels = np.arange(256)
    kept = counts * (levels >= round(255 * threshold))
    pixels, unsure = kept.sum(axis=1), int(counts.sum() - kept.sum())
    area_m2 = prediction.geo.mean_pixel_area_m2(prediction.height, prediction.width)
    known = max(1, int(counts.sum()))
    table = pd.DataFrame(
        {
            "class": [*prediction.scheme.names, "Unsure"],
            "pixels": [*pixels, unsure],
            "share": [*(100 * pixels / known), 100 * unsure / known],
            "mean confidence": _means(np.vstack([kept, (counts - kept).sum(axis=0)])),
        }
    )
    if not unsure:
        table = table[:-1]
    if area_m2 is not None:
        table.insert(2, "area, m²", table["pixels"] * area_m2)
    left, right = st.columns([3, 2], gap="large")
    tables.show(
        table,
        hide_index=True,
        column_config={
            "pixels": st.column_config.NumberColumn(format="localized"),
            "area, m²": st.column_config.NumberColumn(format="%,.0f"),
            "share": st.column_config.NumberColumn(format="%.1f %%", help="Of the pixels that hold data"),
            "mean confidence": st.column_config.NumberColumn(format="%.2f", help="Of the most probable class, 0 to 1"),
        },
        on=left,
    )
    right.plotly_chart(charts.shares(state.shown(prediction.scheme), pixels / known), key="predict_shares")


def scores(prediction: Prediction, truth: Pair) -> None:
    """Accuracy, mean IoU and the classes' own scores against a mask."""
    confusion = _confusion(str(prediction.folder), library.stamp(prediction.folder), truth)
    summary = confusion.summary(prediction.scheme)
    a, b, c = st.columns(3)
    a.metric("Accuracy", number_words(summary["accuracy"]), border=True, help="Share of labelled pixels with the right class.")
    mean_iou = number_words(summary["mean_iou"])
    b.metric("Mean IoU", mean_iou, border=True, help="Intersection over union, averaged over the classes that occur.")
    c.metric("Labelled pixels", f"{summary['pixels']:,}", border=True, help=f"{summary['ignored_pixels']:,} without a label do not count.")
    rows = [
        {"class": name, **{key: values[key] for key in ("iou", "precision", "recall", "f1")}} for name, values in summary["classes"].items()
    ]
    score = {
        key: st.column_config.NumberColumn({"iou": "IoU", "f1": "F1"}.get(key, key), format="%.3f")
        for key in ("iou", "precision", "recall", "f1")
    }
    tables.show(pd.DataFrame(rows), hide_index=True, column_config=score)


def _means(counts: np.ndarray) -> np.ndarray:
    """Mean confidence (0..1) of rows of pixel counts (n, 256) by level; 0 for a row without pixels."""
    return counts @ np.arange(256) / np.maximum(counts.sum(axis=1), 1) / 255


@st.cache_data(max_entries=16, show_spinner="Counting pixels")
def _confidence_counts(folder: str, stamp: int) -> np.ndarray:
    return Prediction.open(folder).confidence_counts()


@st.cache_data(
    max_entries=16, show_spinner="Comparing with the mask", hash_funcs={Pair: lambda pair: (str(pair.image_path), str(pair.mask_path))}
)
def _confusion(folder: str, stamp: int, truth: Pair) -> Confusion:
    prediction = Prediction.open(folder)
    return count_against(prediction, truth, prediction.scheme)
