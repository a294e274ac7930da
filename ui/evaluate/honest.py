"""The optimistic score beside the honest one: the same recipe on a random split, and on scenes that were held out."""

from __future__ import annotations

from datetime import datetime

import streamlit as st

from core.evaluation.comparing import optimistic_against_honest
from core.evaluation.result import Evaluation
from core.jobs import jobs
from core.plain import in_markdown
from ui import jobs_view, state
from ui.allowed import changing
from ui.evaluate import charts, runs
from ui.evaluate.runs import EvaluationRun
from ui.evaluate.scores import NO_BAR

_WHY = (
    "Published scores often come from **random patches**: the validation patches lie between training patches of the same scene, so the "
    "network has seen their neighbours, the same roofs and the same light. That score says little about a new scene. The honest one is "
    "measured on **whole scenes that were held out**."
)


def optimistic(run: EvaluationRun) -> None:
    """Both scores where both exist; else how to get the missing one."""
    st.markdown(_WHY)
    mine = run.evaluation
    kinds = (_leaked, _honest) if _honest(mine) else (_honest, _leaked)
    if not kinds[1](mine):
        st.info(
            "The evaluation above is neither: evaluate the **validation** or **test** scenes of a model whose data was split by tile, and "
            "the same recipe on a random split.",
            icon=":material/info:",
        )
        return
    partners = [
        other
        for other in runs.runs()
        if kinds[0](other.evaluation) and other.evaluation.scheme.names == mine.scheme.names and other.evaluation.dataset == mine.dataset
    ]
    if not partners:
        _how_to_get(run)
        return
    other = st.selectbox(
        "Random split" if _honest(mine) else "Held out",
        partners,
        format_func=lambda one: one.label,
        key=f"evaluation_honest_{run.folder.name}",
        help="Evaluations of the same data set and classes. Choose one of the same recipe, or the difference is not the split's alone.",
    )
    first, second = (other.evaluation, mine) if _honest(mine) else (mine, other.evaluation)
    found = optimistic_against_honest(first, second)
    row = next(row for row in found.rows if row.score == "mean_iou")
    columns = st.columns(3)
    columns[0].metric("Mean IoU, random patches", f"{row.first:.3f}", border=True, help="Optimistic: its neighbours were trained on.")
    columns[1].metric("Mean IoU, held-out scenes", f"{row.second:.3f}", border=True, help="Honest: what to expect on new scenes.")
    columns[2].metric(
        "Difference", f"{row.difference:+.3f}", border=True, help="What the random split adds. The two score different pixels: no interval."
    )
    st.plotly_chart(charts.side_by_side(found), key="evaluation_honest_bars", config=NO_BAR)
    st.caption(in_markdown(found.text))


def _honest(one: Evaluation) -> bool:
    return one.split == "group" and one.scenes in ("validation", "test")


def _leaked(one: Evaluation) -> bool:
    return one.split in ("random", "block") and bool(one.settings.get("random_patches_only"))


def _how_to_get(run: EvaluationRun) -> None:
    """One click that repeats the recipe on a random split, or what stands in its way."""
    if not _honest(run.evaluation):
        st.info(
            "This is the optimistic score. For the honest one, prepare the same data set **by tile** on the Train page, train with the "
            "same settings, and evaluate its held-out scenes here.",
            icon=":material/info:",
        )
        return
    model = run.model
    training = None if model is None else runs.training_of(model)
    if training is None:
        st.info(
            "This is the honest score. For the optimistic one, prepare the data set **by patch** on the Train page, train with the same "
            "settings, and evaluate its validation patches. For models trained in this workspace Groundline does that in one click.",
            icon=":material/info:",
        )
        return
    st.markdown("This evaluation is the honest score. The optimistic one needs the same recipe on a random split:")
    busy = jobs_view.newest("random_split", keep=lambda job: job.active) is not None
    if st.button(
        "Train the same recipe on a random split",
        icon=":material/shuffle:",
        type="primary",
        key="evaluation_random",
        **changing(
            "Prepares the same patches with a random split, trains with the same settings and scores the patches held back. "
            "Takes about as long as the first training.",
            disabled=busy,
        ),
    ):
        name = f"{datetime.now():%Y%m%d-%H%M%S}-random-split"
        place, settings = state.workspace(), dict(training["settings"])
        title = f"{model.card.name}, random split"
        jobs_view.start(
            "random_split",
            {
                "prepared": training["prepared"],
                "dataset": run.request["dataset"],
                "patches": place.prepared / name,
                "model": place.models / name,
                "settings": settings | {"name": title},
            },
            title=title,
        )
        st.rerun()
    if busy:
        st.caption("It is at work; see above.")
    _stopped()


def _stopped() -> None:
    last = next(iter(jobs.list_jobs(state.workspace(), kinds=("random_split",))), None)
    if last is not None and last.status()["state"] == "stopped":
        st.caption("The last one was stopped before it was done.")
