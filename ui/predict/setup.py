"""The form of the Predict page: scene and model beside each other, settings, what it will cost, and the button."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from ui import frame, library, state
from ui.allowed import changing
from ui.predict import batch, models, run, scenes


def form(*, own_model: bool = False) -> None:
    """Draw the form; starts the job and draws the page again when its button is pressed.

    `own_model`: the model in the selection was chosen for this, and none that fits better is proposed.
    """
    if own_model:
        models.keep_chosen()
    choice = model = window = scene = None
    first, second = st.columns([3, 2], gap="large")
    with first, frame.errors() as opening:
        choice = scenes.choose()
        if choice is not None and choice.scene is not None:
            scene = scenes.describe(choice.scene)
            _label_instead(choice.scene)
            window = scenes.region(choice.scene, scene)
    with second, frame.errors():
        model = models.choose(scene, () if choice is None else choice.classes)
        if model is None:
            st.page_link(*frame.PAGES["train"][:1], label="Train a model", icon=frame.PAGES["train"][2])
    if model is None:
        return
    spread: dict[str, str] = {}
    with st.container(border=True):
        pixel_m = scene.ground_sample_distance_m if scene is not None else None
        with frame.errors():
            chosen = models.engine(model)
            chosen |= models.settings(model, pixel_m, fast=chosen["engine"] == "fast")
            spread = models.runs_on()
    ready = choice is not None and not opening.failed
    if choice is not None and model.card.was_trained_on(choice.names):
        st.info("The model was trained on an image of this name: its result here looks better than on new images.", icon=":material/info:")
    request = {"model": library.model_key(model), **chosen}
    if ready and scene is not None:
        corner = None if window is None else (window.row, window.col, window.height, window.width)
        request |= {"scene": choice.scene, "window": corner}
        with frame.errors() as checked:
            run.warnings_of(model, scene, window, resample=chosen["resample"], patch_size=chosen["patch_size"])
        ready = not checked.failed
        if ready:
            with frame.errors():
                run.estimate(request)
    label = "Predict all scenes" if choice is not None and choice.many else "Predict the region" if window else "Predict the scene"
    hint = (
        "Runs in a process of its own: you may leave this page or close the browser."
        if ready
        else "Choose a scene that the model can take first."
    )
    if st.button(label, type="primary", icon=":material/auto_awesome:", key="predict_start", **changing(hint, disabled=not ready)):
        with frame.errors() as started:
            if choice.many:
                batch.start(model, choice, request | spread)
            else:
                run.start(model, choice, request | spread)
        if not started.failed:
            state.select(model=request["model"], **({} if choice.scene is None else {"scene": choice.scene}))
            st.rerun()


def _label_instead(path: Path) -> None:
    """The way to the Label page, for a scene that no model knows well."""
    hint = "Paint strokes on it: they answer the scene, correct a model's answer, and become data to train on."
    if st.button("Label this scene", icon=":material/brush:", type="tertiary", key="predict_label", help=hint):
        state.label_scene(path)
        st.switch_page(frame.PAGES["label"][0])
