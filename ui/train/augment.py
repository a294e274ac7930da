"""How training patches are varied, shown on one of the user's own patches."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import numpy as np
import streamlit as st

from core.patches.joined import Prepared
from core.training.augmentation import Augmentation
from core.training.previews import augmented, display
from core.training.settings import TrainSettings
from ui import state
from ui.input import KEEP

_GAP_PX = 6
_SHOWN = 7
_LARGEST_PX = 192
# Strength -> label, largest value on the slider, step, help.
_STRENGTHS = {
    "zoom": ("Scale", 1.0, 0.05, "Largest change of scale: 0.25 is 0.8 to 1.25 times."),
    "crop": ("Crop", 0.9, 0.05, "Largest part of the sides that is cut away; the rest is enlarged."),
    "shift": ("Shift", 0.5, 0.05, "Largest move, as a part of the size; what comes in from outside is not learned from."),
    "brightness": ("Brightness", 2.0, 0.1, "In standard deviations of the patch."),
    "contrast": ("Contrast", 0.9, 0.05, "Largest change, as a part."),
    "band_gain": ("Band gain", 0.9, 0.05, "Largest change of each band by itself: haze, other sensors."),
    "hue": ("Hue", 0.5, 0.01, "Largest turn of the colours, as a part of the colour circle; for red, green, blue only."),
    "noise": ("Noise", 1.0, 0.05, "In standard deviations of the patch."),
    "blur_chance": ("Blur, chance", 1.0, 0.1, "How often a patch is softened a little."),
    "cutout": ("Cutout", 0.9, 0.05, "Largest side of a blanked rectangle, which is not learned from."),
}


def settings(store: Prepared, *, preview: bool) -> dict[str, Any]:
    """The strengths of all changes, and with `preview` what they make of a patch."""
    usual = Augmentation()
    on = st.toggle("Vary the training patches", True, key="train_augment", help="Never the validation patches.", **KEEP)
    with st.container(horizontal=True):
        values: dict[str, Any] = {
            "flips": st.checkbox("Flips", usual.flips, key="train_augment_flips", disabled=not on, help="Left-right and up-down.", **KEEP),
            "quarter_turns": st.checkbox(
                "Quarter turns",
                usual.quarter_turns,
                key="train_augment_quarter_turns",
                disabled=not on,
                help="Seen from above, all sides are up.",
                **KEEP,
            ),
        }
    columns = st.columns(5)
    for number, (name, (label, most, step, words)) in enumerate(_STRENGTHS.items()):
        useless = name == "hue" and len(store.bands) != 3
        values[name] = columns[number % 5].slider(
            label, 0.0, most, getattr(usual, name), step, key=f"train_augment_{name}", disabled=not on or useless, help=words, **KEEP
        )
    if preview and on and len(store.rows("train")):
        _preview(store, Augmentation(**values))
    return {"augment": on, "augmentation": values}


def fill(full: TrainSettings) -> None:
    """Put a run's augmentation into the widgets."""
    st.session_state["train_augment"] = full.augment
    for item in fields(Augmentation):
        value = getattr(full.augmentation, item.name)
        most = _STRENGTHS[item.name][1] if item.name in _STRENGTHS else value
        st.session_state[f"train_augment_{item.name}"] = min(value, most)


def _preview(store: Prepared, changes: Augmentation) -> None:
    rows = store.rows("train")
    with st.container(horizontal=True, vertical_alignment="bottom"):
        number = 1
        if len(rows) > 1:
            number = st.slider(
                "Your patch", 1, len(rows), 1, key="train_augment_patch", width=320, help="Which of the training patches.", **KEEP
            )
        throw = st.session_state.get("gl_throw", 0)
        st.button("Other dice", icon=":material/casino:", key="train_augment_throw", on_click=_throw, help="Other random numbers.")
        masks = st.toggle("Masks", key="train_augment_masks", help="Masks move with their pictures; black is not learned from.", **KEEP)
    row = rows[min(number, len(rows)) - 1]
    image, ids = np.asarray(store.images[row]), np.asarray(store.masks[row])
    pictures, moved = augmented(image, ids, changes, count=_SHOWN, seed=throw)
    lines = [np.concatenate([display(image)[None], pictures])]
    if masks:
        scheme = state.shown(store.scheme)
        lines.append(np.stack([scheme.decode(each) for each in (ids, *moved)]))
    st.image(_sheet(lines), width="stretch", alt="One training patch, and what the changes make of it")
    st.caption("Left: the patch itself. The others are drawn anew in each epoch.")


def _throw() -> None:
    st.session_state["gl_throw"] = st.session_state.get("gl_throw", 0) + 1


def _sheet(lines: list[np.ndarray]) -> np.ndarray:
    """Rows of pictures uint8 (n, h, w, 3) as one RGBA picture with clear gaps, thinned to at most `_LARGEST_PX` each."""
    step = -(-lines[0].shape[1] // _LARGEST_PX)
    thinned = [line[:, ::step, ::step] for line in lines]
    height, width = thinned[0].shape[1:3]
    sheet = np.zeros((len(lines) * (height + _GAP_PX) - _GAP_PX, len(lines[0]) * (width + _GAP_PX) - _GAP_PX, 4), np.uint8)
    for row, line in enumerate(thinned):
        for column, picture in enumerate(line):
            sheet[row * (height + _GAP_PX) :][:height, column * (width + _GAP_PX) :][:, :width] = np.dstack(
                [picture, np.full(picture.shape[:2], 255, np.uint8)]
            )
    return sheet
