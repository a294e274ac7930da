"""The advanced part of the form: losses and balance, optimizer and schedule, augmentation, precision and size."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import streamlit as st

from core.model_store.normalisation import WAYS, seams_warning, titled
from core.networks import ArchitectureInfo
from core.networks.architectures import architecture, published_encoder
from core.networks.encoders import LITE_ENCODERS, ZOO_ENCODERS
from core.patches.joined import Prepared
from core.plain import in_markdown
from core.training.balance import class_weights
from core.training.settings import CLASS_WEIGHTS, FREEZES, LOSSES, MIXED, MONITORS, OPTIMIZERS, SAMPLINGS, SCHEDULES, TrainSettings
from ui.input import KEEP
from ui.train import augment

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
_WEIGHTS = {"none": "All alike", "inverse": "Inverse frequency", "median": "Median frequency", "effective": "Effective number"}
_OPTIMIZERS = {"adam": "Adam", "adamw": "AdamW", "sgd": "SGD with momentum"}
_SCHEDULES = {"constant": "Constant", "cosine": "Cosine down to 1 %", "step": "Two steps down", "plateau": "Halved on a plateau"}
_SAMPLINGS = {"uniform": "Each patch once", "balanced": "Rare classes more often", "half": "Every second one by rare classes"}
_FREEZES = {
    "nothing": "All of it learns",
    "statistics": "Its statistics stay",
    "early": "Its fine layers stay too",
    "encoder": "All of it stays",
}
_MONITORS = {
    "val_mean_iou": "Validation mean IoU",
    "val_accuracy": "Validation accuracy",
    "val_loss": "Validation loss",
    "loss": "Training loss",
}
_MIXED = {"auto": "As the device has it", "on": "16 bits", "off": "32 bits"}
_NUMBERS = {
    "divide": ("Divided by", "255; or one number per band"),
    "standard": ("Means, then spreads", "of the training patches; or all means and then all spreads"),
    "image": ("Percent, low and high", "2, 98"),
}
WIDTHS = {0.5: "Half", 1.0: "Usual", 2.0: "Double"}


def settings(store: Prepared, info: ArchitectureInfo, encoder: str | None, weights: str) -> dict[str, Any]:
    """The widgets, folded away, and their settings, for a network that starts from `weights`."""
    with st.expander("Advanced", icon=":material/tune:", key="train_advanced"):
        balance, course, changes, machine = st.tabs(
            ["Loss and balance", "Optimizer and schedule", "Augmentation", "Precision and size"],
            key="train_advanced_tab",
            on_change="rerun",
        )
        with balance:
            chosen = _balance(store)
        with course:
            chosen |= _course() | _encoder(store, info, encoder, weights)
        with changes:
            chosen |= augment.settings(store, preview=bool(changes.open))
        with machine:
            chosen |= _machine(info, encoder)
    return chosen


def fill(full: TrainSettings) -> None:
    """Put a run's settings into the widgets."""
    for name in ("loss", "class_weights", "sampling", "per_class", "optimizer", "schedule", "patience", "monitor"):
        st.session_state[f"train_{name}"] = getattr(full, name)
    st.session_state["train_freeze_quick"] = st.session_state["train_freeze_any"] = full.freeze
    for name in ("weight_decay", "average_weights", "warmup_epochs", "mixed_precision", "dropout", "seed", "encoder_rate"):
        st.session_state[f"train_{name}"] = getattr(full, name)
    word, _, numbers = full.normalisation.partition("=")
    st.session_state["train_normalisation"], st.session_state["train_normalisation_numbers"] = word, numbers
    st.session_state["train_clip_norm"] = full.clip_norm or 0.0
    st.session_state["train_steps_per_epoch"] = full.steps_per_epoch or 0
    take_width(full.architecture, full.filters)
    augment.fill(full)


def take_width(network: str, channels: Sequence[int] | None) -> None:
    """Put filters into the widgets, as the width that comes nearest; a callback of buttons."""
    usual = architecture(network).filters
    factor = channels[0] / usual[0] if channels and usual else 1.0
    st.session_state["train_width"] = min(WIDTHS, key=lambda width: abs(width - factor))


def filters(usual: Sequence[int], width: float) -> list[int]:
    """The filters of a network whose usual ones are these, made wider or narrower."""
    return [max(1, round(width * count)) for count in usual]


def _balance(store: Prepared) -> dict[str, Any]:
    a, b, c = st.columns(3)
    loss = a.selectbox(
        "Loss",
        LOSSES,
        format_func=LOSS_NAMES.get,
        key="train_loss",
        help="Dice, Tversky and Lovász look at areas and suit rare classes; cross-entropy and focal look at pixels.",
        **KEEP,
    )
    weights = b.selectbox(
        "Class weights",
        CLASS_WEIGHTS,
        format_func=_WEIGHTS.get,
        key="train_class_weights",
        help="Gives rare classes more say in the loss, from the pixel counts of the training patches.",
        **KEEP,
    )
    sampling = c.selectbox(
        "Patches drawn",
        SAMPLINGS,
        format_func=_SAMPLINGS.get,
        key="train_sampling",
        help="Patches that hold rare classes can be drawn more often.",
        **KEEP,
    )
    counts = np.asarray(store.counts["train"])
    if weights != "none" and counts.sum():
        pairs = zip(store.scheme.names, class_weights(weights, counts), strict=True)
        st.caption("Weights: " + " · ".join(f"{in_markdown(name)} {value:.2g}" for name, value in pairs))
    per_class = st.toggle(
        "One network per class",
        key="train_per_class",
        help="Each class is learned against the rest by a network of its own, and all are merged by probability. "
        f"Takes {len(store.scheme)} times as long here.",
        **KEEP,
    )
    return {"loss": loss, "class_weights": weights, "sampling": sampling, "per_class": per_class}


def _course() -> dict[str, Any]:
    a, b, c = st.columns(3)
    optimizer = a.selectbox(
        "Optimizer", OPTIMIZERS, format_func=_OPTIMIZERS.get, key="train_optimizer", help="Adam forgives most learning rates.", **KEEP
    )
    decay = b.number_input(
        "Weight decay",
        0.0,
        1.0,
        1e-4,
        1e-4,
        format="%g",
        key="train_weight_decay",
        disabled=optimizer != "adamw",
        help="Of AdamW: pulls the weights towards zero.",
        **KEEP,
    )
    clip = c.number_input(
        "Clip the gradient at",
        0.0,
        1e6,
        0.0,
        0.5,
        format="%g",
        key="train_clip_norm",
        help="Its largest norm; 1 calms wild runs. 0 is off.",
        **KEEP,
    )
    schedule = a.selectbox(
        "Learning rate goes",
        SCHEDULES,
        format_func=_SCHEDULES.get,
        key="train_schedule",
        help="Over the epochs; the plateau waits for a third of the patience.",
        **KEEP,
    )
    warm = b.number_input(
        "Warm-up, epochs", 0, 100_000, 0, key="train_warmup_epochs", help="The rate rises in a line over so many epochs first.", **KEEP
    )
    average = c.number_input(
        "Average of weights",
        0.0,
        0.99999,
        0.0,
        0.01,
        format="%g",
        key="train_average_weights",
        help="Momentum of a moving average of the weights, which is validated and kept; 0.99 is usual, 0 is off.",
        **KEEP,
    )
    patience = a.number_input(
        "Patience, epochs",
        0,
        100_000,
        8,
        key="train_patience",
        help="Stops after so many epochs without gain; 0 never stops early.",
        **KEEP,
    )
    monitor = b.selectbox("Best epoch by", MONITORS, format_func=_MONITORS.get, key="train_monitor", help="Its weights are kept.", **KEEP)
    return {
        "optimizer": optimizer,
        "weight_decay": float(decay),
        "clip_norm": float(clip) or None,
        "schedule": schedule,
        "warmup_epochs": int(warm),
        "average_weights": float(average),
        "patience": int(patience),
        "monitor": monitor,
    }


def _encoder(store: Prepared, info: ArchitectureInfo, encoder: str | None, weights: str) -> dict[str, Any]:
    """What becomes of an encoder; on three bands the fine layers of the light ones are kept at first, which halves the time of a step."""
    off = weights == "none" or published_encoder(info.name, encoder) is None
    quick = encoder in LITE_ENCODERS and len(store.bands) == 3
    a, b, _ = st.columns(3)
    kept = a.selectbox(
        "The encoder",
        FREEZES,
        index=FREEZES.index("early" if quick else "nothing"),
        format_func=_FREEZES.get,
        key=f"train_freeze_{'quick' if quick else 'any'}",
        disabled=off,
        help="Of one that starts with weights. Fine layers see edges and colours alike everywhere: leaving them halves the time of a step.",
        **KEEP,
    )
    share = b.number_input(
        "Encoder's share of the rate",
        0.0001,
        1.0,
        1.0,
        0.1,
        format="%g",
        key="train_encoder_rate",
        disabled=off,
        help="Below 1 what it knows already changes more slowly than the rest learns.",
        **KEEP,
    )
    return {"freeze": "nothing" if off else kept, "encoder_rate": 1.0 if off else float(share)}


def _machine(info: ArchitectureInfo, encoder: str | None) -> dict[str, Any]:
    a, b, c = st.columns(3)
    mixed = a.selectbox(
        "Precision",
        MIXED,
        format_func=_MIXED.get,
        key="train_mixed_precision",
        help="Recent graphics cards compute twice as fast in 16 bits. The check below says which device is used.",
        **KEEP,
    )
    sized = info.filters is not None and encoder is None
    width = b.selectbox(
        "Width of the network",
        list(WIDTHS),
        index=1,
        format_func=WIDTHS.get,
        key="train_width",
        disabled=not sized,
        help="Filters of each layer: half as many are about four times as quick.",
        **KEEP,
    )
    dropout = c.number_input(
        "Dropout",
        0.0,
        0.9,
        0.1,
        0.05,
        key="train_dropout",
        disabled=encoder in ZOO_ENCODERS,
        help="Of the networks that stand on no encoder of segmentation_models.",
        **KEEP,
    )
    scaling = c.selectbox(
        "Values are scaled",
        [way.word for way in WAYS],
        format_func=titled,
        key="train_normalisation",
        help="What the network is fed with; the card keeps it, and predictions do the same.",
        **KEEP,
    )
    # Shown for a way that takes numbers only; without any it has its usual ones.
    numbers = ""
    if scaling in _NUMBERS:
        label, hint = _NUMBERS[scaling]
        numbers = c.text_input(label, key="train_normalisation_numbers", placeholder=hint, help="Empty: " + hint, **KEEP)
    steps = a.number_input(
        "Steps per epoch", 0, 10_000_000, 0, key="train_steps_per_epoch", help="Batches of an epoch; 0 means each patch once.", **KEEP
    )
    seed = b.number_input("Seed", 0, 2**31 - 1, 0, key="train_seed", help="Equal seeds give equal runs on the CPU.", **KEEP)
    if seams_warning(scaling):
        st.caption(seams_warning(scaling))
    st.caption("All graphics cards that TensorFlow sees are used; several machines are joined by TensorFlow's own TF_CONFIG.")
    return {
        "mixed_precision": mixed,
        "normalisation": f"{scaling}={numbers}" if numbers.strip() else scaling,
        "filters": filters(info.filters, width) if sized and width != 1.0 else None,
        "dropout": float(dropout),
        "steps_per_epoch": int(steps) or None,
        "seed": int(seed),
    }
