"""The library of models: what each is, and its export for other programs."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pandas as pd
import streamlit as st

from core.jobs.jobs import Job
from core.model_store.cards import CARD_FILE
from core.model_store.models import Model
from core.plain import in_markdown
from core.prediction.engines.exporting import FORMATS
from core.prediction.settings import told_size
from core.words import counted, size_words
from core.workspace import MODELS
from ui import broken, frame, jobs_view, library, state, tables
from ui.allowed import changing, refuse_if_read_only
from ui.input import KEEP
from ui.train import import_wizard, zips

CHOSEN = "models_chosen"


def panel() -> None:
    """All models, what to do with one, and the way in for old ones."""
    models = {library.model_key(model): model for model in library.models()}
    if models:
        _table(models)
        _one(models)
    else:
        st.info("No model yet. Train one, or bring one below.", icon=":material/deployed_code:")
    broken.show("models")
    st.subheader(":material/upload_file: Bring a model", anchor=False)
    with frame.errors():
        import_wizard.wizard()


def _table(models: dict[str, Model]) -> None:
    rows = [
        {
            "model": model.card.name,
            "network": library.network_title(model.card),
            **_score(model),
            "classes": ", ".join(model.card.scheme.names) if model.card.measured is None else f"Measures {model.card.measured}",
            "bands": len(model.card.bands),
            "patch, px": told_size(model.card.patch_shape),
            "kept in": "project" if model.folder.parent == MODELS else "workspace",
        }
        for model in models.values()
    ]
    tables.show(
        pd.DataFrame(rows),
        hide_index=True,
        key="models_table",
        column_config={"mean IoU": st.column_config.ProgressColumn(format="%.3f", min_value=0.0, max_value=1.0, help="On held-out data.")},
    )


def _score(model: Model) -> dict[str, object]:
    """The score on the card, and what it was measured on."""
    measured, like = model.card.held_out(), model.card.of_like_networks()
    if measured is not None:
        return {"mean IoU": measured[1], "measured on": f"{measured[0]} part"}
    return {"mean IoU": like[1] if like else None, "measured on": f"{counted(like[0], 'fold')}, networks made alike" if like else ""}


def choose(folder: str) -> None:
    """Show a model, by its key in the library."""
    st.session_state[CHOSEN] = folder


def _one(models: dict[str, Model]) -> None:
    names, titles = list(models), library.model_titles(models)
    if st.session_state.get(CHOSEN) not in names:
        choose(names[0])
    with st.container(border=True, key="model_panel"):
        left, right = st.columns([2, 3], gap="large")
        with left:
            chosen = st.selectbox("Model", names, format_func=titles.get, key=CHOSEN, help="Shipped models and your own.", **KEEP)
            model = models[chosen]
            for sentence in model.card.assumed:
                st.caption(f":material/help: Assumed: {in_markdown(sentence)}")
            with st.container(horizontal=True):
                if st.button("Use this model", icon=":material/auto_awesome:", key="model_use", help="Predict a scene with it."):
                    state.select(model=chosen)
                    state.open_setup()
                    st.switch_page(frame.PAGES["predict"][0])
                files = [file for file in (*model.files, model.folder / CARD_FILE, model.folder / "README.md") if file.is_file()]
                st.download_button(
                    "Keras file and card" if not model.served else "Network and card",
                    data=lambda: zips.pack(files, below=model.folder),
                    file_name=f"{_slug(model)}.zip",
                    mime="application/zip",
                    on_click="ignore",
                    icon=":material/download:",
                    key="model_download",
                    help="All that Groundline needs to use it on another machine.",
                )
        with right:
            if model.served:
                st.caption(f"It is {model.served}: other programs read it as it lies in the download.")
                if model.card.licence:
                    st.caption(f":material/license: Licence, as its file says: {in_markdown(model.card.licence)}")
            else:
                _export(model, chosen)


def _export(model: Model, name: str) -> None:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        how = st.segmented_control(
            "Export for other programs",
            list(FORMATS),
            default="onnx",
            required=True,
            format_func=lambda key: FORMATS[key].split(",")[0],
            key="export_format",
            help="Written by a job, read again and compared with the model before it is offered.",
            **KEEP,
        )
        jobs = [job for job in [jobs_view.newest("export_model", keep=lambda job: _exports(job, model, how))] if job]
        if st.button(
            "Export",
            icon=":material/ios_share:",
            key="export_start",
            **changing("Takes some seconds to a minute.", disabled=any(job.active for job in jobs)),
        ):
            with frame.errors() as outcome:
                refuse_if_read_only()
                folder = state.workspace().exports / f"{time.strftime('%Y%m%d-%H%M%S')}-{_slug(model)}-{how}"
                out = folder / (f"{_slug(model)}.onnx" if how == "onnx" else _slug(model))
                folder.mkdir(parents=True, exist_ok=True)
                jobs_view.start("export_model", {"model": name, "out": out, "format": how}, title=f"{model.card.name} as {FORMATS[how]}")
            if not outcome.failed:
                st.rerun()
    if how == "onnx":
        st.caption("QGIS Deepness runs it as it is. A card and an item for a STAC catalogue lie beside it.")
    else:
        st.caption("Other programs feed it normalised patches; the card beside it holds normalisation, bands and classes.")
    for job in jobs:
        jobs_view.progress(job.folder, f"export_{job.name}", body=_exported)


def _exported(job: Job, status: dict) -> None:
    result = job.result()
    if status["state"] != "finished" or not result:
        return
    path = Path(result["path"])
    if not path.exists():
        st.caption("Its file is no longer there; export it again.")
        return
    st.caption(
        f"{size_words(result['size_bytes'])} at {in_markdown(path)} · read again, its probabilities differ from the model's by at most "
        f"{result['difference']:.1g}"
    )
    for sentence in result.get("warnings", ()):
        st.caption(f":material/info: {in_markdown(sentence)}")
    files = sorted(file for file in path.parent.rglob("*") if file.is_file())
    st.download_button(
        f"Download {FORMATS[result['format']].split(',')[0]} (zip)",
        data=lambda: zips.pack(files, below=path.parent),
        file_name=f"{path.stem}-{result['format']}.zip",
        mime="application/zip",
        on_click="ignore",
        icon=":material/download:",
        key=f"export_download_{job.name}",
        help="The network with its card.",
    )


def _exports(job: Job, model: Model, how: str) -> bool:
    asked = job.request
    return asked["format"] == how and asked["model"] in (model.folder.name, str(model.folder))


def _slug(model: Model) -> str:
    return re.sub(r"[^\w\-]+", "-", model.card.name).strip("-").lower() or "model"
