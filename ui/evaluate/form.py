"""What to evaluate: a model, a data set with masks, and which of its scenes."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from core.datasets.datasets import Dataset
from core.errors import GroundlineError
from core.evaluation.scenes import PARTS, chosen_pairs, class_table
from core.model_store.models import Model
from core.plain import in_markdown
from core.prediction.settings import THREE_SCALES
from ui import jobs_view, library, state
from ui.allowed import changing
from ui.evaluate import runs

_PART_TITLES = {"test": "Held out (test)", "validation": "Validation", "train": "Training", "all": "All scenes"}
_PART_HELP = (
    "Held-out scenes took no part in training: their score is what to expect on new scenes. Validation scenes chose the best epoch, "
    "so their score is a little too high. On training scenes the score says only that the network has learned them."
)
_ENGINES = {"auto": "Automatic", "openvino": "OpenVINO (CPU)", "tensorflow": "TensorFlow"}


def form(first_model: str | None = None) -> bool:
    """The widgets and the start button; True when an evaluation was started. Raises GroundlineError."""
    models = {str(model.folder): model for model in library.models() if model.card.measured is None}
    if not models:
        st.markdown("There is no model yet. Train one first; it can be evaluated as soon as it has finished an epoch.")
        return False
    left, right = st.columns(2, gap="large")
    # A model that ships with Groundline is selected by its name, others by their folder.
    wanted = {first_model} if first_model in models else {state.selection().model}
    current = next((name for name, model in models.items() if wanted & {name, model.folder.name}), next(iter(models)))
    key = left.selectbox(
        "Model",
        list(models),
        index=list(models).index(current),
        format_func=library.model_titles(models).get,
        key=f"evaluation_model_{current}",
        help="Your own models and the ones that ship with Groundline.",
    )
    model = models[key]
    training = runs.training_of(model)
    folder = _choose_dataset(right, None if training is None else library.patches(training["prepared"]).record["dataset"])
    if folder is None:
        st.markdown("No data set is open. Open one with masks on Home or Explore first.")
        return False
    dataset = library.dataset(folder)
    class_table(dataset.scheme, model.card.scheme)
    found = _parts(model, dataset)
    if not found:
        st.warning(f"{in_markdown(dataset.name)} has no image with a mask, so there is nothing to compare with.", icon=":material/warning:")
        return False
    part = st.segmented_control(
        "Measured on",
        list(found),
        default=next(iter(found)),
        required=True,
        format_func=lambda name: f"{_PART_TITLES[name]} · {found[name][0]} scene{'s' if found[name][0] != 1 else ''}",
        key=f"evaluation_part_{key}_{folder}",
        help=_PART_HELP,
    )
    request = {"model": key, "dataset": folder, "scenes": part}
    request["patches"] = _held_back(model, part, training)
    for note in found[part][1] if request["patches"] is None else ():
        st.warning(in_markdown(note), icon=":material/warning:")
    if list(found) == ["all"]:
        st.caption(
            ":material/verified: The model has not seen any of these scenes in training."
            if model.card.split.get("pairs")
            else ":material/help: The model does not say what it was trained on: make sure that it has not seen these scenes."
        )
    request |= _advanced(model, dataset)
    if not st.button(
        "Evaluate",
        type="primary",
        icon=":material/scoreboard:",
        key="evaluation_start",
        **changing("Predicts these scenes and measures the result, in a process of its own: you may leave this page."),
    ):
        return False
    jobs_view.start("evaluate", request, title=f"{model.card.name} on {library.dataset_title(folder)}, {_PART_TITLES[part].lower()}")
    return True


def _choose_dataset(place, trained_on: str | None) -> Path | None:
    known = library.datasets()
    own = Path(trained_on) if trained_on and Path(trained_on).exists() else None
    options = list(dict.fromkeys(([own] if own else []) + known))
    if not options:
        return None
    current = own or state.selection().dataset
    return place.selectbox(
        "Data set with masks",
        options,
        index=options.index(current) if current in options else 0,
        format_func=lambda path: library.dataset_title(path) + (" (trained on this one)" if path == own else ""),
        key=f"evaluation_data_{own}_{state.selection().dataset}",
        help="The one it was trained on has held-out scenes; any other with the same classes tells how far the model carries.",
    )


def _parts(model: Model, dataset: Dataset) -> dict[str, tuple[int, list[str]]]:
    """Number of scenes and remarks of each part that the data set has scenes of, the most honest first."""
    found = {}
    for part in ("test", "validation", "all", "train"):
        try:
            pairs, notes = chosen_pairs(model, dataset, part)
        except GroundlineError:  # the model does not know these scenes, or none has a mask
            continue
        found[part] = (len(pairs), notes)
    return found


def _held_back(model: Model, part: str, training: dict | None) -> str | None:
    """The patches that a split within scenes held back, so that only these are scored; None for a split of whole scenes."""
    if part not in PARTS or training is None or model.card.split.get("how") not in ("random", "block"):
        return None
    only = st.toggle(
        f"Only the {part} patches, not the whole scenes",
        True,
        key=f"evaluation_patches_{part}",
        help="The split went through the scenes, so whole scenes hold pixels that were trained on.",
    )
    return training["prepared"] if only else None


def _advanced(model: Model, dataset: Dataset) -> dict:
    names = list(model.card.scheme.names)
    objects = [name for name in names if "build" in name.lower() or "house" in name.lower()]
    with st.expander("Advanced"):
        first, second = st.columns(2, gap="large")
        polygons = first.multiselect(
            "Count objects of",
            names,
            objects,
            key=f"evaluation_objects_{'_'.join(names)}",
            help="Each outline of the mask is matched with one of the prediction: found when they overlap by half (IoU 0.5 or more).",
        )
        engine = second.selectbox(
            "Engine",
            list(_ENGINES),
            format_func=_ENGINES.get,
            key="evaluation_engine",
            help="Automatic takes the fastest one that is installed.",
        )
        overlap = first.slider(
            "Overlap of patches, %",
            0,
            75,
            50,
            5,
            key="evaluation_overlap",
            help="As you will predict: the score belongs to these settings.",
        )
        memory = second.select_slider(
            "Memory", ["512MiB", "1GiB", "2GiB", "4GiB"], "1GiB", key="evaluation_memory", help="An upper bound for the strips of a scene."
        )
        turned = first.toggle(
            "Average eight turns and flips", False, key="evaluation_symmetries", help="A little better, about eight times slower."
        )
        scaled = second.toggle("Average three scales", False, key="evaluation_scales", help="A little better, about three times slower.")
    return {
        "polygons": tuple(polygons),
        "engine": engine,
        "overlap": overlap / 100,
        "memory": memory,
        "symmetries": 8 if turned else 1,
        "scales": THREE_SCALES if scaled else (1.0,),
    }
