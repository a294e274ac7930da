"""What an evaluation gives to take home: one report, JSON, and tables."""

from __future__ import annotations

import io
import zipfile
from functools import partial
from pathlib import Path

import streamlit as st

from core.evaluation.result import EVALUATION_FILE, REPORT_FILE
from core.words import file_stem
from ui.evaluate.runs import EvaluationRun

_TABLES = {
    "scores": "Scores of all pixels, with intervals",
    "classes": "Scores by class, with intervals",
    "scenes": "Scores by scene",
    "confusion": "Confusion matrix",
    "patches": "Patches, worst first",
    "label_errors": "Likely label errors, with their place",
    "thresholds": "Precision and recall at every threshold",
    "areas": "Error-adjusted areas",
}


def downloads(run: EvaluationRun) -> None:
    """Buttons for report, JSON and CSV; files are read when a button is pressed."""
    model = run.evaluation.model or "model"
    named = partial(file_stem, model)
    folder = run.folder
    with st.container(horizontal=True):
        _button(
            "Report (HTML)",
            folder / REPORT_FILE,
            f"{named('evaluation')}.html",
            "text/html",
            "article",
            "One page with all charts and pictures; opens without a network and prints well.",
            "primary",
        )
        _button(
            "Everything (JSON)",
            folder / EVALUATION_FILE,
            f"{named('evaluation')}.json",
            "application/json",
            "data_object",
            "All scores under “summary”, and the counts behind them.",
        )
        st.download_button(
            "All tables (CSV, zip)",
            lambda: zipped(folder),
            f"{named('evaluation', 'tables')}.zip",
            "application/zip",
            key="evaluation_get_zip",
            icon=":material/folder_zip:",
            on_click="ignore",
            help="The tables below in one file.",
        )
    st.markdown("**Single tables (CSV)**")
    columns = st.columns(2)
    for place, (name, words) in enumerate(_TABLES.items()):
        with columns[place % 2]:
            _button(words, folder / f"{name}.csv", f"{named('evaluation', name)}.csv", "text/csv", "table", f"{name}.csv")
    st.caption("All of it lies in the workspace too:")
    st.code(str(folder), language=None)


def zipped(folder: Path) -> bytes:
    """The tables of an evaluation's folder as a zip."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(folder.glob("*.csv")):
            archive.write(path, path.name)
    return out.getvalue()


def _button(label: str, path: Path, name: str, mime: str, icon: str, words: str, kind: str = "secondary") -> None:
    if path.is_file():
        st.download_button(
            label,
            path.read_bytes,
            name,
            mime,
            key=f"evaluation_get_{path.name}",
            icon=f":material/{icon}:",
            on_click="ignore",
            help=words,
            type=kind,
        )
