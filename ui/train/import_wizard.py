"""The wizard for models of other origin: shows what a file tells, asks only what it does not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import streamlit as st

from core.classes import ClassScheme
from core.errors import GroundlineError
from core.jobs.jobs import Job
from core.model_store.bare_weights import bare_weights
from core.model_store.examining import Examined, OfWeights, choose_output, examine
from core.model_store.normalisation import seams_warning
from core.plain import in_markdown, in_table, out_of_table
from ui import frame, jobs_view, library, state, uploads
from ui.allowed import changing, shared
from ui.input import typed_path

_LARGEST_MB = 2000
_DIVIDED, _OTHER = "Divided by another number", "Mean and spread of each band"
_DTYPES = {"uint8": "8 bits (0 to 255)", "uint16": "16 bits", "float32": "Floating point"}
_LAMBDA = (
    "This file holds a **Lambda layer**: Python code that runs on this machine, with your rights, when the model is loaded. "
    "It could read, change or delete your files. Go on only if you know who made it."
)

_LAMBDA_SHARED = (
    "This file holds a **Lambda layer**: Python code that would run on the machine of the dashboard. A dashboard that is open to the "
    "network lets no such file in; whoever runs it can import it by the command line, or without --share."
)


def wizard() -> None:
    """File, what it tells, questions, and the job that takes it in."""
    left, right = st.columns(2, vertical_alignment="bottom")
    sent = left.file_uploader(
        "A model of Keras, TensorFlow or ONNX",
        key="import_file",
        max_upload_size=_LARGEST_MB,
        **changing("A whole model (.h5, .hdf5, .keras, .onnx), weights alone, or a zipped SavedModel folder."),
    )
    typed = right.text_input(
        "Or its path on this machine", key="import_path", placeholder="~/model.hdf5", help="Large files need no upload."
    )
    _last()
    path = uploads.once(sent, state.workspace().uploads) if sent is not None else typed_path(typed)
    if path is None:
        st.caption(
            "Models trained elsewhere, with Keras 2 and 3, with PyTorch (as .onnx) or for QGIS Deepness, are read, checked and kept with a "
            "card of their own."
        )
        return
    of_weights = _of_weights(path, sent=sent is not None)
    examined = examine(path, of_weights)
    with st.container(border=True, key="import_panel"):
        for sentence in examined.tells:
            st.markdown(f":material/check: {in_markdown(sentence)}")
        if examined.runs_code and shared():
            st.warning(_LAMBDA_SHARED, icon=":material/gpp_maybe:")
            return
        if examined.runs_code:
            st.warning(_LAMBDA, icon=":material/gpp_maybe:")
            if not st.checkbox(
                "I trust this file and let its code run",
                key=f"import_trust_{path.name}",
                help="Remembered for this very file, on this machine.",
            ):
                return
        request = _ask(path, examined, of_weights)
        if request is not None:
            with frame.errors() as outcome:
                jobs_view.start("import_model", request, title=request["name"])
            if not outcome.failed:
                st.rerun()


def _of_weights(path: Path, *, sent: bool) -> OfWeights:
    """What is told about the network of a file of weights alone: its architecture, where somebody sends one."""
    if not path.is_file() or bare_weights(path) is None:
        return OfWeights()
    text = st.file_uploader(
        "The architecture of these weights, if you have it",
        type=["json"],
        key=f"import_architecture_{path.name}",
        **changing("What `model.to_json()` gave. Weights of the networks of this program need none: their shapes tell which one it is."),
    )
    # What else was uploaded lies beside it by chance.
    return OfWeights(uploads.once(text, state.workspace().uploads) if text is not None else None, look_beside=not sent)


def _ask(path: Path, examined: Examined, of_weights: OfWeights) -> dict[str, Any] | None:
    """The questions, and the request once they are answered."""
    key = f"import_{path.name}_{path.stat().st_mtime_ns}"
    output = None
    if "output" in examined.asks:
        found = examined.found
        told = {head.name: head.told() for head in found.heads}
        output = st.selectbox(
            "Output that is the answer",
            list(told),
            found.chosen % len(told) if found.sure else None,
            format_func=told.get,
            key=f"{key}_output",
            placeholder="Which of them is the map of classes?",
            help="The last one, in networks with deep supervision; the others are left out.",
        )
        if output is None:
            return None
        examined = choose_output(examined, output)
    card, bands = examined.card, examined.found.bands
    count = len(card.scheme)
    if not examined.found.outputs:
        count = int(
            st.number_input("Classes", 2, 255, count, key=f"{key}_classes", help="How many the network gives; the file does not tell.")
        )
    measured = card.measured
    schemes = {} if measured else _schemes(count, card.scheme if "scheme" not in examined.asks and len(card.scheme) == count else None)
    left, right = st.columns([3, 2], gap="large")
    with left:
        name = st.text_input("Name", card.name, key=f"{key}_name", help="What the model will be called.")
        numbers = st.text_input(
            "Bands of your images, in the order of the network",
            ", ".join(map(str, card.bands)),
            key=f"{key}_bands",
            help=f"{bands} numbers from 1. For red, green, blue that is 1, 2, 3 in most files.",
        )
        normalisation, turned = _normalisation(examined, bands, key)
        a, b, c = st.columns(3)
        dtype = a.selectbox(
            "Values of the images", list(_DTYPES), format_func=_DTYPES.get, key=f"{key}_dtype", help="As the network was trained on."
        )
        patch = None
        if "patch_size" in examined.asks:
            patch = b.number_input(
                "Patch size, px", 16, 4096, card.patch_size, 16, key=f"{key}_patch", help="The file takes any; this is what it is fed with."
            )
        pixel = (b if patch is None else c).number_input(
            "Pixel size, m",
            0.0,
            1000.0,
            card.pixel_size_m or 0.0,
            format="%g",
            key=f"{key}_pixel",
            help="Ground sample distance that it was trained on; 0 if not known.",
        )
    with right:
        if measured:
            quantity = st.text_input(
                "What it measures", measured, key=f"{key}_quantity", help="With its unit: Height, m. It names the map."
            )
            table = [{"class": quantity.strip() or measured, "colour": card.scheme.hex(0)}]
        else:
            source = st.selectbox(
                "Class names and colours",
                list(schemes),
                key=f"{key}_scheme",
                help="From a data set or model with as many classes, or typed here.",
            )
            table = _class_table(schemes[source], f"{key}_{source}")
    if not st.button(
        "Take it into the library",
        type="primary",
        icon=":material/library_add:",
        key="import_start",
        **changing("Loads it, saves it anew and compares both."),
    ):
        return None
    fit = examined.fit
    return {
        "file": path,
        "name": name.strip() or card.name,
        "classes": {"classes": [{"name": row["class"], "colour": row["colour"]} for row in table]},
        "bands": turned or _numbers(numbers, int),
        "normalisation": normalisation,
        "patch_size": patch and int(patch),
        "dtype": dtype,
        "pixel_size_m": float(pixel) or None,
        "output": output,
        "architecture_file": of_weights.architecture_file,
        "architecture": fit and fit.architecture,
        "encoder": fit and fit.encoder,
        "filters": fit and fit.filters,
        "trusted": examined.runs_code,
    }


def _normalisation(examined: Examined, bands: int, key: str) -> tuple[dict[str, Any], list[int] | None]:
    """The normalisation, and an order of bands where the option needs one."""
    options = {option.label: option for option in examined.normalisations}
    chosen = st.selectbox(
        "Values were normalised",
        [*options, _DIVIDED, _OTHER],
        key=f"{key}_normalisation",
        help="How images were prepared for training; the likeliest is first.",
    )
    if chosen == _DIVIDED:
        divisor = st.text_input("Divisor", "10000", key=f"{key}_divisor", help="One number for all bands, or one per band.")
        numbers = _numbers(divisor, float)
        return {"kind": "divide", "divisor": numbers[0] if len(numbers) == 1 else numbers}, None
    if chosen != _OTHER:
        option = options[chosen]
        if seams_warning(option.normalisation):
            st.caption(seams_warning(option.normalisation))
        if option.bands:
            st.caption(f"Reads the bands as {', '.join(map(str, option.bands))}, whatever is written above.")
        return option.normalisation, list(option.bands) if option.bands else None
    left, right = st.columns(2)
    mean = left.text_input("Means", ", ".join(["0"] * bands), key=f"{key}_mean", help="One number per band, in the units of the images.")
    spread = right.text_input("Standard deviations", ", ".join(["1"] * bands), key=f"{key}_std", help="One number per band.")
    return {"kind": "standard", "mean": _numbers(mean, float), "std": _numbers(spread, float)}, None


def _class_table(scheme: ClassScheme, key: str) -> list[dict[str, str]]:
    rows = [{"id": number, "class": in_table(name), "colour": scheme.hex(number)} for number, name in enumerate(scheme.names)]
    edited = st.data_editor(
        pd.DataFrame(rows),
        hide_index=True,
        key=f"{key}_classes",
        disabled=["id"],
        column_config={
            "class": st.column_config.TextColumn(required=True, help="In the order of the network's outputs"),
            "colour": st.column_config.TextColumn(required=True, validate="^#[0-9A-Fa-f]{6}$", help="As #rrggbb"),
        },
    )
    return [{**row, "class": out_of_table(row["class"])} for row in edited.to_dict("records")]


def _schemes(count: int, named: ClassScheme | None) -> dict[str, ClassScheme]:
    """Where names of this many classes can come from: those that the file names, else typed ones first."""
    from core.model_store.models import default_scheme

    found = {"As the file names them": named} if named is not None else {"Typed here": default_scheme(count)}
    for folder in library.datasets():
        try:
            scheme = library.dataset(folder).scheme
        except (GroundlineError, OSError):  # moved or deleted since it was used
            continue
        if len(scheme) == count:
            found[f"Data set {library.dataset_title(folder)}"] = scheme
    for model in library.models():
        if len(model.card.scheme) == count:
            found[f"Model {model.card.name}"] = model.card.scheme
    return found


def _numbers(text: str, kind: type) -> list[Any]:
    """Numbers of a text, parted by commas or blanks; what is none is left for the library to refuse by its count."""
    found = []
    for word in text.replace(",", " ").replace(";", " ").split():
        try:
            found.append(kind(word))
        except ValueError:
            return []
    return found


def _last() -> None:
    """The import that runs, or the last one until a new file is named."""
    job = jobs_view.newest("import_model")
    if job is not None and (job.active or job.status()["state"] != "stopped"):
        jobs_view.progress(job.folder, f"import_{job.name}", body=_taken_in)


def _taken_in(job: Job, status: dict) -> None:
    result = job.result()
    if status["state"] != "finished" or not result or not Path(result["model"]).is_dir():
        return
    st.markdown("It is in the library now; the saved network gives the same values as the file.")
    for sentence in result.get("notes", ()):
        st.caption(f":material/info: {in_markdown(sentence)}")
    for sentence in result["assumed"]:
        st.caption(f":material/help: Assumed: {in_markdown(sentence)}")
    if st.button("Use this model", icon=":material/auto_awesome:", key="import_use", help="Predict a scene with it."):
        state.select(model=result["model"])
        state.open_setup()
        st.switch_page(frame.PAGES["predict"][0])
