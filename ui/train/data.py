"""The patches of a training: prepared from a data set here, or chosen among those that are there."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import streamlit as st

from core.datasets.datasets import Dataset
from core.patches.joined import JoinedStore
from core.plain import in_markdown
from core.words import listed, share_words
from ui import charts, frame, jobs_view, library, patch_form, state
from ui.allowed import changing
from ui.input import KEEP

_ALSO = "train_also"


def panel(folders: list[Path]) -> None:
    """Choose prepared patches, or prepare new ones with a job that is followed here."""
    if folders:
        with frame.errors():
            choose_prepared(folders)
    preparing = jobs_view.newest("prepare")
    if preparing is not None and preparing.status()["state"] not in ("finished", "stopped"):
        jobs_view.progress(preparing.folder, "prepare")
    with st.expander("Prepare other patches" if folders else "Prepare patches", expanded=not folders), frame.errors():
        dataset = choose_dataset()
        if dataset is None:
            st.markdown("Open a data set on Home first.")
            return
        _prepare(library.dataset(dataset))


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


@st.fragment
def _prepare(dataset: Dataset) -> None:
    """The form that cuts a data set into patches, and the button that starts the job."""
    with frame.errors() as reading:
        patch_form.form(dataset, wide=False)
    first = not library.prepared()
    if st.button(
        "Prepare patches",
        icon=":material/grid_on:",
        key="train_prepare",
        type="primary" if first else "secondary",
        **changing("Cuts and splits them in a job: you may leave the page.", disabled=reading.failed),
    ):
        with frame.errors() as starting:
            jobs_view.start("prepare", patch_form.request(dataset))
        if not starting.failed:
            st.rerun()


def choose_prepared(folders: list[Path]) -> None:
    """A selectbox of prepared patches, others that are trained on besides, and what is in the chosen ones."""
    current, labels = state.selection().prepared, library.prepared_labels(folders)
    chosen = st.selectbox(
        "Patches",
        folders,
        index=folders.index(current) if current in folders else 0,
        format_func=labels.get,
        help="Cut from a data set, split and stored on disk.",
    )
    state.select(prepared=chosen)
    more = _choose_more(chosen, labels)
    store = library.together(chosen, more)
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
    if numbers["not_labelled"]:
        least = store.split_info["min_labelled"]
        st.caption(f"At least {share_words(least)} of each patch is labelled, {in_markdown(listed(numbers['not_labelled']))} not counted.")
    for sentence in store.notes if isinstance(store, JoinedStore) else ():
        st.caption(in_markdown(sentence))
    for sentence in numbers["warnings"]:
        st.warning(in_markdown(sentence), icon=":material/warning:")
    counts = store.counts["train"]
    if counts.sum():
        st.plotly_chart(
            charts.shares(state.shown(store.scheme), counts / counts.sum(), title="share of training pixels"), key="train_shares"
        )


def also() -> list[Path]:
    """Prepared patches that are trained on besides those of the selection."""
    return list(st.session_state.get(_ALSO, ()))


def take_also(folders: Sequence[str | Path]) -> None:
    """Choose them, as far as they are still there; for the settings of another run."""
    st.session_state[_ALSO] = [Path(folder) for folder in folders if Path(folder).is_dir()]


def _choose_more(chosen: Path, labels: dict[Path, str]) -> list[Path]:
    others = [folder for folder in labels if folder != chosen and library.go_together(chosen, folder)]
    st.session_state[_ALSO] = [folder for folder in also() if folder in others]
    if not others:
        return []
    return st.multiselect(
        "Train on these too",
        others,
        format_func=labels.get,
        key=_ALSO,
        placeholder="No others",
        help="Of the same classes, bands and patch size: rescaled scenes beside crops, say. What one holds back, none is trained on.",
        **KEEP,
    )
