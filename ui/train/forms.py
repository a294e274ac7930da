"""The form of the Train page: a network, how it starts, how it learns; and the button that starts it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import streamlit as st

from core import networks
from core.networks import ArchitectureInfo
from core.networks.architectures import published_encoder
from core.networks.encoders import LITE_ENCODERS
from core.plain import in_markdown
from core.training.settings import TrainSettings
from ui import jobs_view, library, state
from ui.allowed import changing
from ui.input import KEEP
from ui.train import advanced as train_advanced
from ui.train import weights as train_weights

RATES = (1e-5, 3e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2)
BATCHES = (1, 2, 4, 8, 16, 32, 64)
_TAKEN = "gl_taken"
_OWN = "own"
_MOST_EPOCHS = 100_000


def network(prepared: Path) -> dict[str, Any]:
    """What everybody chooses: network, start, epochs, batch size and learning rate, as `TrainSettings` takes them."""
    store = library.patches(prepared)
    nets = {info.name: info for info in networks.architectures()}
    form = {
        "train_architecture": nets.__contains__,
        "train_epochs": lambda value: isinstance(value, int) and 1 <= value <= _MOST_EPOCHS,
        "train_batch_size": BATCHES.__contains__,
        "train_learning_rate": RATES.__contains__,
    }
    state.recall(form)
    left, right = st.columns(2)  # a pair of columns per row, so that the rows stay level
    name = left.selectbox(
        "Network", list(nets), format_func=lambda key: nets[key].title, key="train_architecture", help="U-Net is a good start.", **KEEP
    )
    left.caption(nets[name].about)
    encoder = _encoder(right, nets[name])
    if store.patch_size < nets[name].smallest_px:
        st.warning(
            f"{nets[name].title} needs patches of {nets[name].smallest_px} px or more; these have {store.patch_size} px.",
            icon=":material/warning:",
        )
    weights = train_weights.choose(name, encoder)
    first, second, third = st.columns(3)
    epochs = first.number_input(
        "Epochs",
        1,
        _MOST_EPOCHS,
        30,
        key="train_epochs",
        help="Times that all patches are seen; it stops early when nothing improves.",
        **KEEP,
    )
    batch = second.select_slider(
        "Batch size",
        _with_taken(BATCHES, "batch_size"),
        8,
        key="train_batch_size",
        help="Patches per step; less memory when smaller.",
        **KEEP,
    )
    rate = third.select_slider(
        "Learning rate",
        _with_taken(RATES, "learning_rate"),
        1e-3,
        format_func=lambda value: f"{value:g}",
        key="train_learning_rate",
        help="The highest one of the run. The test below proposes one.",
        **KEEP,
    )
    state.remember_form(form)
    chosen = {"architecture": name, "encoder": encoder, "weights": weights, "epochs": int(epochs), "batch_size": int(batch)}
    return {**chosen, "learning_rate": float(rate)}


def advanced(patches: Mapping[str, Any], chosen: Mapping[str, Any]) -> dict[str, Any]:
    """All settings of a run: those chosen, and those that are folded away."""
    info = networks.architecture(chosen["architecture"])
    return {**chosen, **train_advanced.settings(library.together(**patches), info, chosen["encoder"], chosen["weights"])}


def start(patches: Mapping[str, Any], chosen: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Name and start buttons; the requests to start now: none, one, or two that differ in their starting weights only.

    `patches` are the keys of a request that name what is trained on.
    """
    busy = any(job.active for job in [jobs_view.newest("train")] if job)
    missing = train_weights.missing(chosen["weights"])
    better = pretrained_weights(chosen)
    usual = default_title(patches["prepared"], chosen)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        named = st.text_input("Name", key="train_name", placeholder=usual, help="The run and its model will carry this name.")
        one = st.button(
            "Queue this training" if busy else "Start training",
            type="primary",
            icon=":material/play_arrow:",
            key="train_start",
            **changing(
                in_markdown(missing)
                if missing
                else "Runs in a process of its own: you may leave this page or close the browser. Runs wait for each other.",
                disabled=missing is not None,
            ),
        )
        both = st.button(
            "Pretrained against random",
            icon=":material/compare_arrows:",
            key="train_pair",
            **changing(
                "Starts two runs that differ in their starting weights, and lays them over each other. Random weights learn in all layers."
                if better
                else "Choose an encoder, or start from a model: this network has no published weights.",
                disabled=better is None or missing is not None,
            ),
        )
    name = named.strip() or usual
    if one:
        return [_request(patches, chosen, name)]
    if both:
        # Layers that have learned nothing must not be kept as they are.
        pair = (({"weights": better}, "pretrained"), ({"weights": "none", "freeze": "nothing", "encoder_rate": 1.0}, "random weights"))
        return [_request(patches, {**chosen, **start}, f"{name}, {words}") for start, words in pair]
    return []


def pretrained_weights(chosen: Mapping[str, Any]) -> str | None:
    """The weights to set against random ones: those chosen, else ImageNet's where they are published for this network."""
    if chosen["weights"] not in ("none", ""):
        return chosen["weights"]
    return "imagenet" if published_encoder(chosen["architecture"], chosen["encoder"]) else None


def default_title(prepared: Path, chosen: Mapping[str, Any]) -> str:
    """`U-Net on Sample town`, for a run that nobody named."""
    network = networks.architecture(chosen["architecture"]).title
    on = library.dataset_title(Path(library.patches(prepared).record["dataset"]))
    return f"{network} ({chosen['encoder']}) on {on}" if chosen["encoder"] else f"{network} on {on}"


def take(**values: float) -> None:
    """Put a proposed batch size or learning rate into the form; a callback of buttons."""
    taken = st.session_state.setdefault(_TAKEN, {})
    for name, value in values.items():
        taken[name] = (*taken.get(name, ()), value)
        st.session_state[f"train_{name}"] = value


def fill(chosen: Mapping[str, Any]) -> None:
    """Put the settings of another run into the form; a callback of buttons."""
    full = TrainSettings.from_dict(chosen)
    take(batch_size=full.batch_size, learning_rate=full.learning_rate)
    st.session_state["train_architecture"] = full.architecture
    st.session_state[f"train_encoder_{full.architecture}"] = (
        full.encoder or networks.architecture(full.architecture).default_encoder or _OWN
    )
    st.session_state["train_epochs"] = full.epochs
    train_weights.fill(full.weights)
    train_advanced.fill(full)


def _request(patches: Mapping[str, Any], chosen: Mapping[str, Any], name: str) -> dict[str, Any]:
    return {**patches, "settings": {**chosen, "name": name}}


def _with_taken(usual: tuple, name: str) -> list:
    return sorted({*usual, *st.session_state.get(_TAKEN, {}).get(name, ())})


def _encoder(place, info: ArchitectureInfo) -> str | None:
    offered = [_OWN, *info.encoders] if info.own_encoder else list(info.encoders)
    picked = place.selectbox(
        "Encoder",
        offered,
        index=offered.index(_usual(info)),
        format_func=lambda encoder: "Its own" if encoder == _OWN else encoder,
        key=f"train_encoder_{info.name}",
        disabled=len(offered) == 1,
        help="The part that looks. EfficientNet-Lite starts from ImageNet without a download; larger ones see more and are slower.",
        **KEEP,
    )
    chosen = None if picked == _OWN else picked
    if chosen in LITE_ENCODERS:
        place.caption("Starts from ImageNet, no download.")
    else:
        pretrained = published_encoder(info.name, chosen) is not None
        place.caption("Can start from ImageNet weights, downloaded once." if pretrained else "Trains from nothing, small and quick.")
    return chosen


def _usual(info: ArchitectureInfo) -> str:
    """The encoder that the page proposes: the one whose ImageNet weights are there, if the network can stand on it."""
    return LITE_ENCODERS[0] if LITE_ENCODERS[0] in info.encoders else info.default_encoder or _OWN
