"""Before and during a prediction: what is doubtful about the scene, what the run will cost, and its progress with a picture."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import streamlit as st
from PIL import Image

from core.errors import GroundlineError
from core.jobs.jobs import Job
from core.model_store.cards import ModelCard
from core.model_store.models import Model, find_model
from core.plain import in_markdown
from core.prediction.checks import Concern, check_patch, check_scene, resampling_factor
from core.prediction.folder.rasters import preview_file
from core.scenes.display import display_rgb
from core.scenes.opening import open_scene
from core.scenes.rescaling import rescale_to_bytes
from core.scenes.scene import Scene, Window
from core.words import MIB, counted, duration_words, file_stem, memory_words, size_words
from ui import frame, jobs_view, library, state
from ui.allowed import changing, refuse_if_read_only
from ui.input import KEEP
from ui.predict import models
from ui.predict.scenes import Choice

_SETTINGS = ("overlap", "symmetries", "scales", "memory", "engine", "patch_size", "resample", "window")
_VEIL = 0.35  # of the scene that shines through what is predicted so far


def warnings_of(model: Model, scene: Scene, window: Window | None, *, resample: bool, patch_size: int | None) -> None:
    """The checks of this scene against the model's card, each with its remedy. Raises SceneError when it cannot be predicted.

    `patch_size`: the side of patches in pixels, None for the model's own.
    """
    resampled = resample and abs(resampling_factor(model.card, scene) - 1) > 1e-6
    versions = f"{model.folder} {library.stamp(model.folder)}", f"{scene.path} {scene.digest}"
    for concern in _concerns(*versions, model.card, scene, window, resampled):
        st.warning(in_markdown(concern.sentence), icon=":material/warning:")
        if concern.code == "dtype" and model.card.dtype == "uint8":
            _rescale(scene)
    scale = model.card.scale * (resampling_factor(model.card, scene) if resampled else 1.0)
    patch = model.card.patch_shape if patch_size is None else (patch_size, patch_size)
    for concern in check_patch(patch, scene, scale):
        st.info(in_markdown(concern.sentence), icon=":material/info:")


def _rescale(scene: Scene) -> None:
    """The way out of 16 bits: a copy of 8 bits, which takes the scene's place in the form."""
    words = "Writes a copy into the workspace, each band spread over 1 to 255, and opens it here. The file itself stays as it is."
    if st.button("Rescale to 8 bits", icon=":material/tune:", key="predict_rescale", **changing(words)):
        with frame.errors() as outcome, st.spinner("Rescaling the scene"):
            refuse_if_read_only()
            copy = state.workspace().uploads / f"{scene.digest}-8bit" / f"{file_stem(scene.name, '8 bits')}.tif"
            rescale_to_bytes(scene, copy)
        if not outcome.failed:
            state.open_setup(copy)
            st.rerun()


_PRICE: Mapping[str, Callable[[Any], bool]] = {"predict_price": lambda value: isinstance(value, float) and 0 <= value <= 1000}


def estimate(request: Mapping[str, Any]) -> None:
    """A button that probes a few patches in a process of its own, and what was found: time, memory, disk and engine."""
    mine = {"model": str(request["model"]), "scene": str(Path(request["scene"]).expanduser().absolute())}
    job = jobs_view.newest("estimate", keep=lambda job: _same_subject(job, mine))
    hint = "Tries a few patches of this scene, in a process of its own, and keeps nothing."
    busy = job is not None and job.active
    if st.button("Estimate time and memory", icon=":material/timer:", key="predict_estimate", **changing(hint, disabled=busy)):
        jobs_view.start("estimate", request, title="Estimate")
        st.rerun()
    if job is None:
        return

    def body(job: Job, status: dict) -> None:
        found = job.result()
        if status["state"] == "finished" and found:
            _show(found, job, request)

    if job.status()["state"] == "finished" and job.result():
        body(job, job.status())
    else:
        jobs_view.progress(job.folder, "predict_estimate_job", body=body)


def start(model: Model, choice: Choice, request: Mapping[str, Any]) -> None:
    """Start the prediction of one scene, or of the region of it that the request names."""
    part = ", region" if request["window"] else ""
    jobs_view.start("predict", request, title=f"{choice.name}{part} with {model.card.name}")


def watch(job: Job) -> None:
    """Progress of a prediction with pause, stop and resume, and the map as it fills in."""
    jobs_view.progress(job.folder, "predict", pausable=True, body=_filling_in)


def _show(found: Mapping[str, Any], job: Job, request: Mapping[str, Any]) -> None:
    a, b, c, d = st.columns(4)
    a.metric("Time", duration_words(found["seconds"]), border=True, help="From a few patches, on this machine as busy as it was.")
    b.metric("Memory at its peak", memory_words(found["peak_memory_mib"]), border=True, help="Of the process that predicts.")
    disk, result = (size_words(found[name] * MIB) for name in ("disk_mib", "result_mib"))
    c.metric("Disk while it runs", disk, border=True, help=f"The result takes about {result}.")
    d.metric("Patches", f"{found['windows']:,}", border=True, help="Patches without any data are left out.")
    _show_cost(found)
    words = [f"Engine: {models.engine_title(found['engine'])}"]
    if _changed(job.request, request):
        words.append("settings have changed since: estimate again")
    st.caption(" · ".join(words))
    for concern in found["warnings"]:
        if concern["code"] == "int8":
            st.warning(in_markdown(concern["sentence"]), icon=":material/warning:")


def _show_cost(found: Mapping[str, Any]) -> None:
    """The ground, the core-hours and what they cost; a record of before knew of no cores."""
    if not found.get("cores"):
        return
    hours, km2 = found["seconds"] * found["cores"] / 3600, found.get("area_km2")
    a, b, c, d = st.columns(4, vertical_alignment="bottom")
    a.metric("Ground", "–" if not km2 else f"{km2:,.3g} km²", border=True, help="Where pixels have a size." if not km2 else None)
    b.metric("Core-hours", f"{hours:.2g}", border=True, help=f"The time on {counted(found['cores'], 'core')}.")
    state.recall(_PRICE)
    price = d.number_input(
        "Price of a core-hour",
        0.0,
        1000.0,
        0.05,
        0.01,
        format="%.3f",
        key="predict_price",
        help="In any currency; your cloud or cluster tells it.",
        **KEEP,
    )
    state.remember_form(_PRICE)
    each = f"{hours * price / km2:,.2g} for a square kilometre." if km2 else "Of this scene."
    c.metric("Cost", f"{hours * price:,.2g}", border=True, help=each)


def _changed(old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    listed = {name: list(new[name]) if isinstance(new.get(name), tuple) else new.get(name) for name in _SETTINGS}
    return any(old.get(name) != listed[name] for name in _SETTINGS)


def _same_subject(job: Job, mine: Mapping[str, str]) -> bool:
    asked = job.request
    return asked["scene"] == mine["scene"] and Path(asked["model"]).name == Path(mine["model"]).name


def _filling_in(job: Job, status: dict) -> None:
    file = preview_file(job.request["out"])
    if status["state"] == "finished" or not file.is_file():
        return
    try:
        with Image.open(file) as opened:
            done = np.asarray(opened.convert("RGBA"))
    except OSError:  # being replaced or deleted at this moment: the next look finds another
        return
    window = job.request["window"]
    below = _thumbnail(job.request["scene"], None if window is None else tuple(window), done.shape[:2])
    known = done[..., 3:] > 0
    mixed = np.where(known, (1 - _VEIL) * as_chosen(done[..., :3], job.request["model"]) + _VEIL * below, below).astype(np.uint8)
    st.image(mixed, caption="What is predicted so far, over the scene", width=640 if mixed.shape[1] >= mixed.shape[0] else 420)


def as_chosen(picture: np.ndarray, model: str) -> np.ndarray:
    """A picture (h, w, 3) in the model's colours of its classes, in those that the user chose to see; as it is where the model is gone."""
    try:
        scheme = find_model(model).card.scheme
    except GroundlineError:
        return picture
    return state.shown(scheme).decode(scheme.encode(picture)[0])


@st.cache_data(max_entries=4, show_spinner=False)
def _thumbnail(scene: str, window: tuple[int, int, int, int] | None, shape: tuple[int, int]) -> np.ndarray:
    opened = open_scene(scene)
    return display_rgb(opened, Window(*window) if window else None, out_shape=shape)


@st.cache_data(max_entries=64, show_spinner="Looking at the scene", hash_funcs={Window: repr})
def _concerns(model: str, seen: str, _card: ModelCard, _scene: Scene, window: Window | None, resampled: bool) -> list[Concern]:
    return check_scene(_card, _scene, window=window, resampled=resampled)
