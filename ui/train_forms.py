"""The forms of the Train page: patches to prepare, a network and its settings."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from core.learning.networks import ArchitectureInfo, architectures
from core.learning.settings import CLASS_WEIGHTS, LOSSES, OPTIMIZERS, SCHEDULES
from ui import charts, jobs_view, library, state

_SPLITS = {"group": "By tile or scene", "block": "By blocks", "random": "By patch"}
LOSS_NAMES = {
    "dice_focal": "Dice + focal",
    "cross_entropy": "Cross-entropy",
    "focal": "Focal",
    "dice": "Dice",
    "tversky": "Tversky",
    "lovasz": "Lovász",
    "dice_cross_entropy": "Dice + cross-entropy",
    "tversky_focal": "Tversky + focal",
    "lovasz_cross_entropy": "Lovász + cross-entropy",
}
_WEIGHT_NAMES = {"none": "All alike", "inverse": "Inverse frequency", "median": "Median frequency", "effective": "Effective number"}
_START = {"none": "Random weights", "imagenet": "ImageNet (downloaded once)", "model": "A model of the library", "file": "A weights file"}
_RATES = (1e-5, 3e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2)


def choose_dataset() -> Path | None:
    """A selectbox of known data sets; the choice is the selection of all pages."""
    known = library.datasets()
    current = state.selection().dataset
    options = known if current is None or current in known else [current, *known]
    if not options:
        return None
    chosen = st.selectbox(
        "Data set",
        options,
        index=options.index(current) if current in options else 0,
        format_func=library.dataset_title,
        help="Open another one on Home or Explore.",
    )
    state.select(dataset=chosen)
    return chosen


def prepare(dataset: Path) -> dict | None:
    """The form that cuts a data set into patches; a request for the job when it is sent."""
    opened = library.dataset(dataset)
    groups = sorted({pair.group for pair in opened.pairs})
    with st.form("prepare_form", border=False):
        first, second, third = st.columns(3)
        size = first.select_slider(
            "Patch size, px",
            [64, 96, 128, 192, 256, 384, 512],
            256,
            key="train_patch",
            help="Side of the square patches.",
            persist_state="session",
        )
        stride = second.slider(
            "Overlap, %",
            0,
            75,
            0,
            25,
            key="train_overlap",
            help="Of neighbouring patches; more overlap makes more patches.",
            persist_state="session",
        )
        labelled = third.slider(
            "Labelled from, %",
            0,
            100,
            5,
            key="train_labelled",
            help="Patches with fewer labelled pixels are left out.",
            persist_state="session",
        )
        how = st.segmented_control(
            "Split into training and validation",
            list(_SPLITS),
            default="group" if len(groups) > 1 else "block",
            format_func=_SPLITS.get,
            required=True,
            key="train_split",
            persist_state="session",
            help="By tile keeps whole places apart and is the honest one. By blocks cuts each image into areas. "
            "By patch is how many tutorials do it; with overlap, validation then sees training pixels.",
        )
        held = st.multiselect(
            "Keep for the final test",
            groups,
            key="train_hold",
            help="These tiles are neither trained nor validated on.",
            placeholder="No tile",
            persist_state="session",
        )
        with st.expander("Advanced"):
            a, b, c = st.columns(3)
            share = a.slider("Validation, %", 5, 50, 20, 5, key="train_validation", persist_state="session", help="Of the patches' area.")
            scale = b.number_input(
                "Resize scenes by",
                0.1,
                4.0,
                1.0,
                0.1,
                key="train_scale",
                persist_state="session",
                help="0.5 halves the size: the network sees more ground in a patch, and less detail.",
            )
            seed = c.number_input(
                "Seed", 0, 9999, 0, key="train_prepare_seed", persist_state="session", help="The same seed gives the same split."
            )
        first = not library.prepared()
        sent = st.form_submit_button(
            "Prepare patches", icon=":material/grid_on:", key="train_prepare", type="primary" if first else "secondary"
        )
    if not sent:
        return None
    return {
        "dataset": dataset,
        "patch_size": size,
        "stride": max(1, size * (100 - stride) // 100),
        "min_labelled": labelled / 100,
        "split": how,
        "validation": share / 100,
        "hold_out": held,
        "scale": float(scale),
        "seed": int(seed),
    }


def choose_prepared(folders: list[Path]) -> Path:
    """A selectbox of prepared patches with what is in the chosen ones."""
    current = state.selection().prepared
    chosen = st.selectbox(
        "Patches",
        folders,
        index=folders.index(current) if current in folders else 0,
        format_func=library.prepared_title,
        help="Cut from a data set, split and stored on disk.",
    )
    state.select(prepared=chosen)
    store = library.patches(chosen)
    numbers = store.summary()
    parts = ", ".join(f"{count:,} {part}" for part, count in numbers["patches"].items() if count)
    shared = numbers["shared_pixels"]
    st.markdown(f"{parts} patches of {store.patch_size} × {store.patch_size} px, {len(store.bands)} bands.")
    if shared:
        st.warning(
            f"Training and validation share {shared:,} pixels: the scores will look better than they are.", icon=":material/warning:"
        )
    else:
        st.caption(":material/verified: Training and validation share no pixel.")
    for sentence in numbers["warnings"]:
        st.warning(sentence, icon=":material/warning:")
    counts = store.counts["train"]
    if counts.sum():
        st.plotly_chart(charts.shares(store.scheme, counts / counts.sum(), title="share of training pixels"), key="train_shares")
    return chosen


def settings(prepared: Path) -> dict | None:
    """Network and settings; a request for the job when Start is pressed."""
    nets = {info.name: info for info in architectures()}
    left, right = st.columns(2)  # a pair of columns per row, so that the rows stay level
    name = left.selectbox(
        "Network",
        list(nets),
        format_func=lambda key: nets[key].title,
        key="train_network",
        persist_state="session",
        help="U-Net is a good start.",
    )
    left.caption(nets[name].about)
    encoder = _encoder(right, nets[name])
    left, right = st.columns(2)
    weights = _weights(left, encoder is not None)
    epochs = right.number_input(
        "Epochs",
        1,
        1000,
        30,
        key="train_epochs",
        persist_state="session",
        help="Times that all patches are seen; it stops early when nothing improves.",
    )
    left, right = st.columns(2)
    batch = left.select_slider(
        "Batch size",
        [1, 2, 4, 8, 16, 32, 64],
        8,
        key="train_batch",
        persist_state="session",
        help="Patches per step; less memory when smaller.",
    )
    rate = right.select_slider(
        "Learning rate",
        _RATES,
        1e-3,
        format_func=lambda value: f"{value:g}",
        key="train_rate",
        persist_state="session",
        help="Adam's step size.",
    )
    advanced = _advanced()
    title = st.text_input("Name", key="train_name", placeholder="for example: town, U-Net", help="The model will carry this name.")
    active = jobs_view.newest("train")
    busy = active is not None and active.active
    clicked = st.button(
        "Queue another training" if busy else "Start training",
        type="primary",
        icon=":material/play_arrow:",
        key="train_start",
        help="Runs in a process of its own: you may leave this page or close the browser. Trainings run one after the other.",
    )
    if not clicked:
        return None
    chosen = {"architecture": name, "encoder": encoder, "weights": weights, "epochs": int(epochs), "batch_size": int(batch)}
    chosen |= {"learning_rate": float(rate), "name": title.strip() or None, **advanced}
    return {"prepared": prepared, "settings": chosen}


def _encoder(place, info: ArchitectureInfo) -> str | None:
    offered = [None, *info.encoders] if info.own_encoder else list(info.encoders)
    chosen = place.selectbox(
        "Encoder",
        offered,
        index=offered.index(info.default_encoder) if info.default_encoder else 0,
        format_func=lambda encoder: encoder or "Its own",
        key=f"train_encoder_{info.name}",
        persist_state="session",
        disabled=len(offered) == 1,
        help="The part that looks. Encoders of the library can start from ImageNet; larger ones see more and are slower.",
    )
    place.caption("Trains from nothing, small and quick." if chosen is None else "Can start from ImageNet weights.")
    return chosen


def _weights(place, has_encoder: bool) -> str:
    offered = [key for key in _START if key != "imagenet" or has_encoder]
    start = place.selectbox(
        "Start from",
        offered,
        format_func=_START.get,
        key=f"train_weights_{has_encoder}",
        persist_state="session",
        help="ImageNet weights need a network connection the first time.",
    )
    if start == "model":
        names = [str(model.folder) for model in library.models()]
        return place.selectbox("Model", names, format_func=lambda path: Path(path).name, key="train_from_model") or "none"
    if start == "file":
        return place.text_input("Weights file", key="train_from_file", placeholder="path on this machine").strip() or "none"
    return start


def _advanced() -> dict:
    with st.expander("Advanced"):
        a, b, c = st.columns(3)
        loss = a.selectbox("Loss", LOSSES, format_func=lambda key: LOSS_NAMES.get(key, key), key="train_loss", persist_state="session")
        weights = b.selectbox(
            "Class weights",
            CLASS_WEIGHTS,
            format_func=lambda key: _WEIGHT_NAMES.get(key, key),
            key="train_class_weights",
            persist_state="session",
            help="Gives rare classes more say.",
        )
        optimizer = c.selectbox("Optimizer", OPTIMIZERS, format_func=str.capitalize, key="train_optimizer", persist_state="session")
        schedule = a.selectbox(
            "Learning rate goes",
            SCHEDULES,
            format_func=str.capitalize,
            key="train_schedule",
            persist_state="session",
            help="Over the epochs.",
        )
        patience = b.number_input(
            "Patience, epochs", 0, 1000, 8, key="train_patience", persist_state="session", help="Stops after so many without gain; 0 never."
        )
        seed = c.number_input("Seed", 0, 9999, 0, key="train_seed", persist_state="session", help="Equal seeds give equal runs on the CPU.")
        augment = st.toggle(
            "Vary the training patches (flips, turns, light)",
            True,
            key="train_augment",
            persist_state="session",
            help="Never validation patches.",
        )
    return {
        "loss": loss,
        "class_weights": weights,
        "optimizer": optimizer,
        "schedule": schedule,
        "patience": int(patience),
        "seed": int(seed),
        "augment": augment,
    }
