"""Which model predicts and how: its card in words, and the settings of a prediction as request keys."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import streamlit as st

from core.cluster.where import LOCAL, NONE, offered
from core.errors import ModelError
from core.model_store.cards import ModelCard
from core.model_store.models import Model, find_model
from core.plain import in_markdown
from core.prediction.engines.int8 import Int8Record, int8_folder, read_int8
from core.prediction.fitting import best_fitting, why_fitting
from core.prediction.settings import THREE_SCALES, told_size
from core.scenes.scene import Scene
from core.words import counted, listed, share_words
from ui import jobs_view, library, state
from ui.allowed import changing
from ui.input import KEEP

_ENGINES = {"auto": "Automatic", "openvino": "OpenVINO (CPU)", "tensorflow": "TensorFlow", "fast": "Fast (int8, CPU)"}
_MEMORY = ("512MiB", "1GiB", "2GiB", "4GiB", "8GiB")
_OVERLAPS = range(0, 76, 5)
_FORM: Mapping[str, Callable[[Any], bool]] = {
    "predict_engine": _ENGINES.__contains__,
    "predict_memory": _MEMORY.__contains__,
    "predict_overlap": _OVERLAPS.__contains__,
    "predict_symmetries": lambda value: isinstance(value, bool),
    "predict_scales": lambda value: isinstance(value, bool),
}
"""What is remembered of the form, and which values each of its widgets can have."""
_MOST_NAMES = 6
_PROPOSED, _KEPT, _OWN = "gl_model_proposed", "gl_model_kept", "gl_model_own"


def keep_chosen() -> None:
    """Propose no other model for the next scene that the form shows: this one was chosen for it."""
    st.session_state[_KEPT] = True


def choose(scene: Scene | None, classes: Sequence[str]) -> Model | None:
    """The model to predict with, and what its card says; for a scene that is new here, the one that fits it and its `classes` best."""
    models = {library.model_key(model): model for model in library.models()}
    if not models:
        st.markdown("No model yet. Train one first.")
        return None
    if scene is not None:
        _propose(models, scene, classes)
    current = state.selection().model
    names = list(models)
    index = names.index(current) if current in names else 0
    titles = library.model_titles(models)
    chosen = st.selectbox("Model", names, index=index, format_func=titles.get, help="Shipped models and your own.")
    state.select(model=chosen)
    model = models[chosen]
    card = model.card
    st.caption(
        f"{in_markdown(library.network_title(card))}, patches of {told_size(card.patch_shape)} px, "
        f"{len(card.bands)} bands of {card.dtype}, "
        + (f"{len(card.scheme)} classes" if card.measured is None else f"measures {in_markdown(card.measured)}")
    )
    if scene is not None and st.session_state.get(_PROPOSED) == (scene.path, chosen) and (why := why_fitting(card, scene, classes)):
        st.caption(f":material/check: Preselected, because it fits this scene: {why}.")
    for sentence in (score_words(card) if card.measured is None else "", trained_words(card)):
        if sentence:
            st.markdown(sentence)
    if card.notes:
        with st.expander("Notes on this model"):
            st.markdown("\n".join(f"- {in_markdown(note)}" for note in card.notes))
    return model


def _propose(models: Mapping[str, Model], scene: Scene, classes: Sequence[str]) -> None:
    """Choose the model that fits a scene, once for each scene; what the user chooses then, or has chosen for it before, stays.

    Of models that fit equally well it is the one that the user chose last, whatever was proposed for other scenes meanwhile.
    """
    now, before = state.selection(), st.session_state.get(_PROPOSED)
    if before is None or now.model != before[1]:
        st.session_state[_OWN] = now.model
    if before is not None and before[0] == scene.path:
        return
    kept = st.session_state.pop(_KEPT, False) or (before is None and now.scene == scene.path)
    # One that measures answers another question: it is there to be chosen, and is not proposed.
    cards = {key: model.card for key, model in models.items() if model.card.measured is None or key == st.session_state[_OWN]}
    best = now.model if kept else best_fitting(cards, scene, classes, now=st.session_state[_OWN])
    st.session_state[_PROPOSED] = (scene.path, None if kept else best)
    state.select(model=best)


def score_words(card: ModelCard) -> str:
    """The held-out score with the part it was measured on, the test where there is one."""
    measured = card.held_out()
    like = card.of_like_networks()
    if measured is None and like is not None:
        return f"**Mean IoU {like[1]:.2f}** of networks made alike, on {counted(like[0], 'fold')} of data that they had not seen"
    if measured is None:
        return "No held-out score is on the card."
    part, mean_iou = measured
    groups = listed(card.groups_of(part), _MOST_NAMES)
    where = f"{part} part" + (f": {in_markdown(groups)}" if groups else "")
    doubt = "; patches were split at random, so this is optimistic" if card.split.get("how") == "random" else ""
    chosen = "; it chose the best epoch" if part == "validation" else ""
    return f"**Mean IoU {mean_iou:.2f}** on held-out data ({where}{chosen}{doubt})"


def trained_words(card: ModelCard) -> str:
    """What the model was trained on, where the card says so."""
    patches = card.split.get("patches", {}).get("train")
    groups = listed(card.groups_of("train"), _MOST_NAMES)
    if not patches:
        return ""
    return f"Trained on {patches:,} patches" + (f" of {in_markdown(groups)}" if groups else "")


def engine_title(name: str) -> str:
    """An engine's name for people."""
    return _ENGINES.get(name, name)


def engine(model: Model) -> dict[str, Any]:
    """Memory, engine and resampling, as request keys; offers to make the int8 network where it is missing."""
    state.recall(_FORM)
    first, second = st.columns(2)
    chosen = first.selectbox(
        "Engine",
        list(_ENGINES),
        key="predict_engine",
        format_func=_ENGINES.get,
        help="What runs the network. Automatic takes the fastest exact one. Fast rounds weights to 8 bits: a few pixels differ.",
        **KEEP,
    )
    memory = second.select_slider(
        "Memory",
        _MEMORY,
        "1GiB",
        format_func=lambda size: f"{size[:-3]} {size[-3:]}",
        key="predict_memory",
        help="An upper bound for the whole process; less makes more, narrower strips.",
        **KEEP,
    )
    if chosen == "auto":
        openvino = importlib.util.find_spec("openvino") is not None
        st.caption("OpenVINO, or TensorFlow on a graphics card." if openvino else "TensorFlow; OpenVINO is not installed.")
    elif chosen == "fast":
        _int8(model)
    return {"memory": memory, "engine": chosen}


def _patch_size(column: Any, card: ModelCard, *, fast: bool) -> int:
    sizes = sorted({card.patch_size, 128, 256, 384, 512})
    return column.select_slider(
        "Patch size, px",
        sizes,
        card.patch_size,
        key=f"predict_patch_{card.patch_size}",
        disabled=fast,
        help=f"The model was trained on {card.patch_size} px. Larger patches see more around each pixel and need more memory. "
        "The fast engine keeps the model's own size.",
        **KEEP,
    )


def settings(model: Model, pixel_size_m: float | None, *, fast: bool) -> dict[str, Any]:
    """Sliders of a prediction, as request keys; `pixel_size_m` of the scene decides whether resampling is offered."""
    card = model.card
    first, second, third = st.columns(3, gap="large", vertical_alignment="center")
    size = None if card.patch_width is not None else _patch_size(first, card, fast=fast)
    if size is None:
        first.caption(f"Patches of {told_size(card.patch_shape)} px, as the network takes them.")
    overlap = second.slider(
        "Overlap of patches, %",
        _OVERLAPS[0],
        _OVERLAPS[-1],
        50,
        _OVERLAPS.step,
        key="predict_overlap",
        help="More overlap hides seams and takes longer.",
        **KEEP,
    )
    turned = third.toggle(
        "Average eight turns and flips", False, key="predict_symmetries", help="A little better, about eight times slower.", **KEEP
    )
    scaled = third.toggle(
        "Average three scales",
        False,
        key="predict_scales",
        help="The scene is also looked at smaller and larger by a quarter: usually a little better, about three times slower.",
        **KEEP,
    )
    resample = False
    if pixel_size_m and card.pixel_size_m:
        resample = third.toggle(
            f"Resample to {card.pixel_size_m:.2g} m per pixel",
            False,
            key="predict_resample",
            help=f"The model was trained on {card.pixel_size_m:.2g} m, this scene has {pixel_size_m:.2g} m. "
            "The result keeps the scene's pixels.",
            **KEEP,
        )
    state.remember_form(_FORM)
    return {
        "patch_size": None if fast or size == card.patch_size else size,
        "overlap": overlap / 100,
        "symmetries": 8 if turned else 1,
        "scales": THREE_SCALES if scaled else (1.0,),
        "resample": resample,
    }


def runs_on() -> dict[str, str]:
    """Where a prediction runs, as a request key, where who started the dashboard offers a cluster; nothing to choose otherwise."""
    cluster = offered()
    if cluster is None:
        return {}
    title = "Workers of this machine" if cluster.startswith(LOCAL) else f"The cluster at {cluster}"
    chosen = st.selectbox(
        "Runs on",
        (NONE, cluster),
        key="predict_cluster",
        format_func={NONE: "This machine", cluster: title}.get,
        help="A cluster gives the same result, and goes on where it was when workers are lost. It must see the scene and the workspace.",
        **KEEP,
    )
    return {"cluster": chosen}


def _int8(model: Model) -> None:
    if model.card.measured is not None:
        st.info("A model that measures has no fast network. Choose another engine.", icon=":material/bolt:")
        return
    record = _record(str(model.folder), library.stamp(int8_folder(model)))
    if record is not None:
        scores = "" if record.mean_iou is None else f"; mean IoU {record.mean_iou:.3f} against {record.mean_iou_float:.3f}"
        st.caption(f"{share_words(record.agreement, 2)} of pixels get the same label as in 32 bits, on {record.measured} patches{scores}.")
        return
    prepared = library.prepared()
    if not prepared:
        st.info("The fast network is made once per model from prepared patches. Prepare some on the Train page.", icon=":material/bolt:")
        return
    left, right = st.columns([3, 2], vertical_alignment="bottom")
    patches = left.selectbox(
        "Patches",
        prepared,
        format_func=library.prepared_title,
        key="predict_int8_patches",
        help="Some set the ranges of the 8 bits, others measure how many labels change. They must be of the model's classes.",
    )
    job = jobs_view.newest("quantise", keep=lambda job: job.request["model"] == str(model.folder))
    words = "Takes some minutes, once. Until then choose another engine."
    if right.button(
        "Make it fast", icon=":material/bolt:", key="predict_quantise", **changing(words, disabled=job is not None and job.active)
    ):
        job = jobs_view.start("quantise", {"model": str(model.folder), "patches": patches}, title=f"Fast network of {model.card.name}")
    if job is not None:
        jobs_view.progress(job.folder, "predict_quantise_job")


@st.cache_data(max_entries=32, show_spinner=False)
def _record(folder: str, stamp: int) -> Int8Record | None:
    try:
        return read_int8(find_model(folder))
    except ModelError:
        return None
