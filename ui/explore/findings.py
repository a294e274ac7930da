"""What the audit found in a data set, with remedies one click away, and the mosaics that its tiles make."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from core.audit.audit import Audit, audit
from core.audit.findings import Finding
from core.datasets.datasets import Dataset
from core.datasets.mosaics import Mosaic, find_mosaics
from core.plain import in_markdown
from ui import frame, library, state
from ui.allowed import changing, refuse_if_read_only
from ui.explore import twice
from ui.kept import has, keep
from ui.viewer import viewer

_LOOKS = {
    "error": ("Error", "red", ":material/error:"),
    "warning": ("Warning", "orange", ":material/warning:"),
    "info": ("Note", "blue", ":material/info:"),
}
_FILES_SHOWN = 40


def findings(dataset: Dataset) -> None:
    """The findings of the audit, worst first; the audit runs once for each state of the data set."""
    _remedies(dataset)
    found = audited(dataset)
    counts = {kind: sum(item.severity == kind for item in found.findings) for kind in _LOOKS}
    if not found.findings:
        st.success(
            "Nothing wrong was found: every image has a mask of its size, and every colour is a class.", icon=":material/check_circle:"
        )
        return
    with st.container(horizontal=True):
        for kind, (words, colour, icon) in _LOOKS.items():
            if counts[kind]:
                st.badge(f"{counts[kind]} {words.lower()}{'s' if counts[kind] > 1 else ''}", icon=icon, color=colour)
    for number, item in enumerate(found.findings):
        _finding(dataset, item, number)
    st.caption(
        "A remedy is written to groundline.json in the data set's folder, and can be undone here. Images and masks are never changed."
    )


def _remedies(dataset: Dataset) -> None:
    """The remedies that count now, each with a button that takes it back."""
    steps = dataset.remedies.steps()
    if not steps:
        return
    with st.container(border=True):
        st.markdown("**Remedies in force**")
        for number, step in enumerate(steps):
            with st.container(horizontal=True, vertical_alignment="center"):
                st.badge("Remedy", icon=":material/healing:", color="green")
                st.markdown(in_markdown(step.title), width="stretch")
                if st.button(
                    "Undo",
                    key=f"explore_undo_{number}",
                    icon=":material/undo:",
                    **changing("Takes this remedy out of groundline.json."),
                ):
                    with frame.errors() as outcome:
                        refuse_if_read_only()
                        step.take_back(dataset.root)
                    if not outcome.failed:
                        st.rerun()


def _finding(dataset: Dataset, item: Finding, number: int) -> None:
    words, colour, icon = _LOOKS[item.severity]
    with st.container(border=True):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown(f":{colour}-badge[{icon} {words}] {in_markdown(item.sentence)}", width="stretch")
            if item.remedy is not None and st.button(
                in_markdown(item.remedy.title),
                key=f"explore_remedy_{item.code}_{number}",
                icon=":material/healing:",
                **changing("Writes this remedy to groundline.json beside the data; images and masks stay as they are."),
            ):
                with frame.errors() as outcome:
                    refuse_if_read_only()
                    item.remedy.apply(dataset.root)
                if not outcome.failed:
                    st.rerun()
        if item.places:
            twice.places(dataset, item.places)
        if item.files:
            with st.expander(f"{len(item.files)} file{'s' if len(item.files) > 1 else ''}"):
                names = [
                    file.relative_to(dataset.root).as_posix() if file.is_relative_to(dataset.root) else str(file)
                    for file in item.files[:_FILES_SHOWN]
                ]
                more = len(item.files) - len(names)
                st.code("\n".join(names) + (f"\nand {more} more" if more else ""), language=None)


def mosaics(dataset: Dataset) -> None:
    """Tiles that continue each other, put together into one picture that can be predicted whole."""
    found = _mosaics(dataset)
    if not found:
        st.markdown("No scenes here continue each other, so there is nothing to put together.")
        return
    left, right = st.columns([3, 1], vertical_alignment="bottom")
    titles = {mosaic.group: f"{mosaic.group} · {mosaic.rows} × {mosaic.columns} scenes" for mosaic in found}
    if st.session_state.get("explore_mosaic") not in titles:
        st.session_state["explore_mosaic"] = found[0].group
    group = left.selectbox(
        "Mosaic",
        list(titles),
        format_func=titles.get,
        key="explore_mosaic",
        help="Scenes whose edges match, in their order.",
        persist_state="session",
    )
    mosaic = next(item for item in found if item.group == group)
    pair = mosaic.pair()
    if right.button(
        "Predict it whole",
        icon=":material/auto_awesome:",
        key="explore_predict_mosaic",
        width="stretch",
        help="Takes the mosaic to the Predict page as one scene.",
    ):
        state.select(scene=pair.image_path)
        st.switch_page(frame.PAGES["predict"][0])
    image = pair.image
    viewer.scene_panes(image, pair, dataset.scheme, key="explore_mosaic_viewer", height=560)
    st.caption(
        f"{library.pixels_text((image.width, image.height))} px. {len(found)} mosaic{'s' if len(found) > 1 else ''} in this data set. "
        "Neighbours in a mosaic share their edges: a split that cuts one apart leaks."
    )


def audited(dataset: Dataset) -> Audit:
    """The audit of a data set, made once for each state of its files, with its progress shown; a remedy re-checks what it touched."""
    last: dict[Path, Audit] = st.session_state.setdefault("explore_last_audit", {})
    before = last.get(dataset.root)
    found = keep("audit", dataset.digest, lambda tell: audit(dataset, before=before, on_progress=tell), words="Checking the data set")
    st.session_state["explore_last_audit"] = {dataset.root: found}
    return found


def is_audited(dataset: Dataset) -> bool:
    """Whether the audit is at hand."""
    return has("audit", dataset.digest)


def _mosaics(dataset: Dataset) -> tuple[Mosaic, ...]:
    if is_audited(dataset):
        return audited(dataset).mosaics
    return keep("mosaics", dataset.digest, lambda tell: tuple(find_mosaics(dataset, on_progress=tell)), words="Comparing edges")
