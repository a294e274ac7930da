"""Where a scene comes from: a data set, a path on this machine, or a file that the browser sends; one choice for Label and Predict."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from core.scenes.opening import open_scene
from core.scenes.scene import Scene
from ui import library, state, uploads
from ui.allowed import changing
from ui.input import KEEP, typed_path

DATA, PATH, UPLOAD = "data", "path", "upload"
_WORDS = {DATA: "Data set", PATH: "File or folder", UPLOAD: "Upload"}


def choose(page: str, *, help: str, placeholder: str, path_help: str) -> tuple[str, Path | None]:
    """Which of the three, and the path that was typed or sent; None while there is none, and for a data set. Keys begin with `page`.

    Raises InputError for a path outside the folders that the dashboard may open.
    """
    source = st.segmented_control(
        "Scene",
        list(_WORDS),
        default=DATA,
        required=True,
        format_func=_WORDS.get,
        key=f"{page}_source",
        help=help,
        **KEEP,
    )
    if source == PATH:
        path_key = f"{page}_path"
        return PATH, typed_path(st.text_input("Path", key=path_key, placeholder=placeholder, help=path_help, **KEEP))
    if source == UPLOAD:
        words = "Large scenes are better opened by their path."
        sent = st.file_uploader("Image", type=uploads.IMAGE_TYPES, key=f"{page}_upload", **changing(words))
        return UPLOAD, None if sent is None else uploads.once(sent, state.workspace().uploads)
    return DATA, None


def fill(page: str, path: str) -> None:
    """Name a scene in the form as if its path had been typed; before the form is drawn."""
    st.session_state[f"{page}_source"], st.session_state[f"{page}_path"] = PATH, path


def data_set(page: str, on: st.delta_generator.DeltaGenerator, *, none_open: str) -> Path | None:
    """Which of the known data sets; None, and the words `none_open`, where there is none."""
    known = library.datasets()
    if not known:
        st.markdown(none_open)
        return None
    current = state.selection().dataset
    return on.selectbox(
        "Data set",
        known,
        index=known.index(current) if current in known else 0,
        format_func=library.dataset_title,
        key=f"{page}_dataset",
        help="The sample, and those that you opened on Home.",
    )


def describe(path: Path, *, unplaced: str) -> Scene:
    """One line on the scene: size, bands, ground sample distance, or what is `unplaced` without one. Raises SceneError."""
    scene = open_scene(path)
    pixel_m = scene.ground_sample_distance_m
    ground = f"{pixel_m:.2g} m per pixel" if pixel_m else f"no georeference: {unplaced} in pixels"
    st.caption(f"{library.pixels_text((scene.width, scene.height))} px, {scene.bands} bands of {scene.dtype}, {ground}")
    return scene
