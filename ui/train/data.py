"""The patches of a training: prepared from a data set here, or chosen among those that are there."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from core.patches.settings import VALIDATION_SHARE, PrepareSettings
from ui import charts, frame, jobs_view, library, state

_USUAL = PrepareSettings()
_SPLITS = {"group": "By tile or scene", "block": "By blocks", "random": "By patch"}


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
        request = prepare(dataset)
        if request is not None:
            jobs_view.start("prepare", request)
            st.rerun()


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
        first, second, third = st.columns(3, vertical_alignment="bottom")
        size = first.select_slider(
            "Patch size, px",
            [64, 96, 128, 192, 256, 384, 512],
            _USUAL.patch_size,
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
            round(100 * _USUAL.min_labelled),
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
            share = a.slider(
                "Validation, %",
                5,
                50,
                round(100 * VALIDATION_SHARE),
                5,
                key="train_validation",
                persist_state="session",
                help="Of the patches' area.",
            )
            scale = b.number_input(
                "Resize scenes by",
                0.1,
                4.0,
                _USUAL.scale,
                0.1,
                key="train_scale",
                persist_state="session",
                help="0.5 halves the size: the network sees more ground in a patch, and less detail.",
            )
            seed = c.number_input(
                "Seed", 0, 9999, _USUAL.seed, key="train_prepare_seed", persist_state="session", help="The same seed gives the same split."
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
