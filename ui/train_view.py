"""A training run on the page: live curves, previews and log, and the table of all runs."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import numpy as np
import pandas as pd
import streamlit as st
from PIL import Image

from core.jobs import jobs
from core.jobs.jobs import Job
from core.learning import networks
from core.learning.cards import CARD_FILE
from core.learning.previews import GAP_PX
from ui import charts, frame, jobs_view, library, predict_view, state
from ui.train_forms import LOSS_NAMES

_CHOSEN = "gl_run"


def runs() -> list[Job]:
    """All training runs, newest first."""
    return jobs.list_jobs(state.workspace(), kinds=("train",))


def shown(all_runs: list[Job]) -> Job | None:
    """The run that the user picked, else the active one, else the newest."""
    picked = next((job for job in all_runs if job.name == st.session_state.get(_CHOSEN)), None)
    return picked or next((job for job in all_runs if job.active), all_runs[0] if all_runs else None)


def show(job: Job) -> None:
    """Choose a run for the panel."""
    st.session_state[_CHOSEN] = job.name


def panel(job: Job) -> None:
    """One run: state, buttons, numbers, curves, previews, log; live while it runs."""
    with st.container(border=True, key="run_panel"):
        jobs_view.progress(job.folder, f"run_{job.name}", pausable=True, actions=use, body=_body)


def use(job: Job) -> None:
    """The button that takes a run's model to the Predict page, once the run is over and has finished an epoch."""
    model = Path(job.request["out"])
    if job.active or not epochs(job) or not (model / CARD_FILE).is_file():
        return
    if st.button("Use this model", type="primary", icon=":material/auto_awesome:", key="use_model", help="Predict a scene with it."):
        state.select(model=model)
        predict_view.open_setup()
        st.switch_page(frame.PAGES["predict"][0])


def table(all_runs: list[Job]) -> None:
    """All runs with their settings and scores; picked rows are shown above and laid over each other."""
    rows = [_row(job) for job in all_runs]
    event = st.dataframe(
        pd.DataFrame(rows),
        hide_index=True,
        key="runs_table",
        on_select="rerun",
        selection_mode="multi-row",
        column_config={
            "best val. IoU": st.column_config.ProgressColumn(
                format="%.3f", min_value=0.0, max_value=1.0, help="Mean IoU over the classes present"
            ),
            "learning rate": st.column_config.NumberColumn(format="%g"),
            "started": st.column_config.DatetimeColumn(format="D MMM HH:mm"),
        },
    )
    picked = [all_runs[number] for number in event.selection.rows if number < len(all_runs)]
    if len(picked) > 1:
        st.plotly_chart(charts.compared({job.title: epochs(job) for job in picked}), key="runs_compared")
    if not picked:
        st.caption("Tick a row to open or delete a run, several to lay their curves over each other.")
        return
    with st.container(horizontal=True):
        if len(picked) == 1 and st.button("Show this run", icon=":material/monitoring:", key="run_show"):
            show(picked[0])
            st.rerun()
        if st.button(
            "Delete", icon=":material/delete:", key="run_delete", help="Moves the runs and their models to the trash; undo is offered."
        ):
            with frame.errors() as outcome:
                st.session_state["gl_deleted"] = [job.delete(outputs=True) for job in picked]
            if not outcome.failed:
                st.rerun()


def undo() -> None:
    """Offer to bring back the runs deleted last."""
    deleted = st.session_state.get("gl_deleted")
    if not deleted:
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f"{len(deleted)} run{'s' if len(deleted) > 1 else ''} moved to the trash.")
        if st.button("Undo", icon=":material/undo:", key="run_undo"):
            del st.session_state["gl_deleted"]
            with frame.errors():
                for trash_id in deleted:
                    state.workspace().restore(trash_id)
            st.rerun()


def default_title(request: dict) -> str:
    """`U-Net on town`, for a run that nobody named."""
    settings = request["settings"]
    network = networks.architecture(settings["architecture"]).title
    on = Path(library.patches(request["prepared"]).record["dataset"]).name
    return f"{network} ({settings['encoder']}) on {on}" if settings["encoder"] else f"{network} on {on}"


def epochs(job: Job) -> list[dict]:
    """The records of a run's epochs, in order; an epoch repeated after a resume counts once, the later one."""
    return [record for _, record in sorted({record["epoch"]: record for record in job.events("epoch")}.items())]


def best(records: list[dict]) -> dict | None:
    """The record with the highest validation mean IoU."""
    scored = [record for record in records if record.get("val_mean_iou") is not None]
    return max(scored, key=lambda record: record["val_mean_iou"], default=None)


def _body(job: Job, status: dict) -> None:
    records = epochs(job)
    asked = job.request["settings"].get("epochs")
    top = best(records)
    a, b, c, d = st.columns(4)
    a.metric("Epochs done", f"{records[-1]['epoch'] if records else 0} of {asked}" if asked else len(records), border=True)
    b.metric("Best validation IoU", f"{top['val_mean_iou']:.3f}" if top else "–", border=True, help="Mean over the classes that occur.")
    c.metric("Best epoch", top["epoch"] if top else "–", border=True, help="Its weights are the ones that are kept.")
    if job.active:
        d.metric("Time left", jobs_view.duration(status["eta_s"]) if status.get("eta_s") else "–", border=True)
    else:
        spent = (status["finished"] or 0) - (status["started"] or 0)
        d.metric("Took", jobs_view.duration(spent) if spent > 0 else "–", border=True)
    if not records:
        st.caption(
            "Curves appear after the first epoch. TensorFlow needs a few seconds to start."
            if job.active
            else "It ended before its first epoch was finished, so there is no model yet. Resume it, or start another training."
        )
        _log(job)
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        smoothing = st.slider(
            "Smoothing", 0.0, 0.9, 0.0, 0.1, key="train_smooth", persist_state="session", width=220, help="Evens out the curves."
        )
        log = st.toggle("Logarithmic loss", key="train_log", persist_state="session")
    st.plotly_chart(
        charts.curves(records, total=asked, smoothing=smoothing, log=log, best=top["epoch"] if top else None), key="train_curves"
    )
    with st.expander("IoU of each class"):
        st.plotly_chart(charts.class_curves(records, library.patches(job.request["prepared"]).scheme), key="train_classes")
    _previews(Path(job.request["out"]))
    _log(job)


def _previews(folder: Path) -> None:
    pictures = sorted((folder / "previews").glob("*.png"))
    if not pictures:
        return
    st.markdown("**The same validation patches after each epoch** · image, mask, prediction")
    number = len(pictures)
    if number > 1:
        number = st.slider("Epoch shown", 1, number, number, key=f"train_preview_{number}", width=320, help="Look back at earlier epochs.")
    sheet = _two_columns(str(pictures[number - 1]), pictures[number - 1].stat().st_mtime_ns)
    st.image(sheet, width="stretch", alt="Image, mask and prediction of a few validation patches")


@st.cache_data(max_entries=64, show_spinner=False)
def _two_columns(path: str, stamp: int) -> np.ndarray:
    """A preview sheet, one patch per line, with every second line moved beside the one before; RGBA uint8, clear gaps."""
    sheet = np.asarray(Image.open(path).convert("RGBA"))
    side = (sheet.shape[1] - 2 * GAP_PX) // 3
    lines = range(0, sheet.shape[0] - side + 1, side + GAP_PX)
    width = 6 * side + 10 * GAP_PX
    out = np.zeros((-(-len(lines) // 2) * (side + GAP_PX) - GAP_PX, width, 4), np.uint8)
    for number, top in enumerate(lines):
        row, right = divmod(number, 2)
        for panel in range(3):
            left = panel * (side + GAP_PX)
            to = left + right * (3 * side + 8 * GAP_PX)
            out[row * (side + GAP_PX) :][:side, to : to + side] = sheet[top : top + side, left : left + side]
    return out


def _log(job: Job) -> None:
    with st.expander("Log"):
        st.code(job.log_tail(30) or "Nothing yet.", language=None)


def _row(job: Job) -> dict:
    status, settings, top = job.status(), job.request["settings"], best(epochs(job))
    start = settings.get("weights", "none")
    network = networks.architecture(settings.get("architecture", "unet")).title
    return {
        "run": job.title,
        "started": datetime.fromtimestamp(status["started"] or status["created"]),
        "state": jobs_view.label(status["state"]),
        "best val. IoU": top["val_mean_iou"] if top else None,
        "best epoch": top["epoch"] if top else None,
        "of": settings.get("epochs"),
        "network": f"{network} · {settings['encoder']}" if settings.get("encoder") else network,
        "batch": settings.get("batch_size"),
        "learning rate": settings.get("learning_rate"),
        "loss": LOSS_NAMES.get(settings.get("loss"), settings.get("loss")),
        "from": {"none": "random", "imagenet": "ImageNet"}.get(start, Path(start).name),
        "patches": library.prepared_title(job.request["prepared"]),
    }
