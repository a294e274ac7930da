"""Many scenes in one run: its progress, and a table of results from which each one is opened."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import streamlit as st

from core.jobs import jobs
from core.jobs.jobs import Job
from core.model_store.models import Model
from core.prediction.batch import RESULTS_FILE, TABLE_FILE, BatchRow
from core.reading.readable import read_record
from core.words import file_stem
from ui import jobs_view, state, tables
from ui.predict.scenes import Choice

_COLUMNS = {
    "seconds": st.column_config.NumberColumn("time, s", format="%.0f", help="Reading, network and writing."),
    "windows": st.column_config.NumberColumn("patches", format="localized", help="Patches that went through the network."),
    "seam_score": st.column_config.NumberColumn("seam score", format="%.2f", help="Near 1.0: borders of patches cannot be seen."),
    "state": st.column_config.TextColumn("state", help="One that fails does not stop the others."),
    "warnings": st.column_config.TextColumn("remarks", width="large", help="What was doubtful, or why it failed."),
}


def start(model: Model, choice: Choice, request: dict) -> None:
    """Start the prediction of all scenes of a choice."""
    many = str(choice.many) if isinstance(choice.many, Path) else [str(path) for path in choice.many]
    jobs_view.start("predict_batch", {**request, "scenes": many}, title=f"{choice.name} with {model.card.name}")


def show() -> None:
    """The batches of the workspace: the running one or the newest, older ones to choose from."""
    found = [job for job in jobs.list_jobs(state.workspace(), kinds=["predict_batch"]) if job.active or _rows(job)]
    newest = jobs_view.newest("predict_batch")
    if newest is not None and newest not in found:
        found.insert(0, newest)
    if not found:
        return
    with st.expander("Scenes predicted one after the other", icon=":material/auto_awesome_motion:", expanded=found[0].active):
        job = found[0]
        if len(found) > 1:
            job = st.selectbox("Run", found, format_func=lambda job: job.title, key="predict_batch_run", help="Newest first.")
        if job.status()["state"] == "finished":
            table(job)
        else:
            jobs_view.progress(job.folder, f"predict_batch_{job.name}", pausable=True, body=lambda job, status: table(job))


def table(job: Job) -> None:
    """One row per scene that is done or failed; choosing one opens it in the viewer below."""
    rows = _rows(job)
    if not rows:
        return
    shown = pd.DataFrame(
        {
            "scene": [Path(row["scene"]).stem for row in rows],
            "state": [row["state"] for row in rows],
            "seconds": [row["seconds"] for row in rows],
            "windows": [row["windows"] for row in rows],
            "seam_score": [row["seam_score"] for row in rows],
            "warnings": [row["error"] or row["warnings"] or "" for row in rows],
        }
    )
    failed = sum(row["state"] == "failed" for row in rows)
    st.caption(f"{len(rows) - failed} done" + (f", {failed} failed" if failed else "") + ". Choose a row to open its result below.")
    told = tables.show(
        shown,
        hide_index=True,
        column_config=_COLUMNS,
        key=f"predict_batch_table_{job.name}",
        on_select="rerun",
        selection_mode="single-row",
    )
    chosen = [rows[number] for number in told.selection.rows if number < len(rows)]
    if chosen and chosen[0]["state"] == "done" and st.session_state.get("gl_batch_row") != (job.name, chosen[0]["scene"]):
        st.session_state["gl_batch_row"] = (job.name, chosen[0]["scene"])
        state.select(prediction=Path(chosen[0]["folder"]))
        st.rerun()
    file = Path(job.request["out"]) / TABLE_FILE
    if file.is_file():
        st.download_button(
            "Table (CSV)",
            file.read_bytes,
            f"{file_stem(job.title or job.name, 'scenes')}.csv",
            "text/csv",
            key=f"predict_batch_csv_{job.name}",
            on_click="ignore",
            icon=":material/table:",
            help="One row per scene with time, seam score, warnings and errors.",
        )


def _rows(job: Job) -> list[dict]:
    file = Path(job.request["out"]) / RESULTS_FILE
    try:
        return read_record(file, list[BatchRow]) if file.is_file() else []
    except (OSError, ValueError):  # being written at this moment, or damaged
        return []
