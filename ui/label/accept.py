"""Accepting an answer: it becomes a prediction and a data set, and the way on to maps and training."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st

from core.files import PREDICTION_FILE
from core.jobs.jobs import Job
from core.labelling.projects.project import LabelProject
from core.model_store.models import find_model
from core.plain import in_markdown
from core.words import counted, listed
from ui import frame, jobs_view, library, patch_form, state
from ui.allowed import changing
from ui.input import KEEP
from ui.label import certify as certify_tab
from ui.label.begin import free_folder

if TYPE_CHECKING:
    from core.labelling.projects.session import Session

_AGREED = {
    "all": "What I painted, and the answer in all of the area",
    "agreed": "What I painted, and the answer where I agreed to it",
    "painted": "Only what I painted",
}


def panel(session: Session) -> None:
    """The choice of what counts as labelled, the button, and what came of it."""
    project = session.project
    job = _job(project)
    with st.container(border=True, key="label_accept_panel"):
        st.subheader(":material/task_alt: Take it along", anchor=False)
        agreed = st.radio(
            "Labelled to train on",
            list(_AGREED),
            format_func=_AGREED.get,
            key="label_agreed",
            help="The rest counts as not labelled. The prediction holds the whole answer in any case.",
            **KEEP,
        )
        hint = "Writes the answer as a prediction for viewer, map and exports, and a data set of the image with its new mask."
        busy = job is not None and job.active
        if st.button("Accept the answer", type="primary", icon=":material/task_alt:", key="label_accept", **changing(hint, disabled=busy)):
            with frame.errors() as started:
                dataset = free_folder(state.workspace().labels, f"{project.name}-painted")
                request = {"project": project.folder, "dataset": dataset, "agreed": agreed}
                jobs_view.start("accept", request, title=f"Labels of {project.name}")
            if not started.failed:
                st.rerun()
        if job is not None:
            jobs_view.progress(job.folder, "label_accept_job", body=_done)


def accepted(project: LabelProject) -> Path | None:
    """The newest prediction that came of a project and is still there."""
    job = _job(project)
    found = Path((job.result() or {}).get("folder", "")) if job is not None else None
    return found if found is not None and (found / PREDICTION_FILE).exists() else None


def _job(project: LabelProject) -> Job | None:
    return jobs_view.newest("accept", keep=lambda job: Path(job.request.get("project", "")) == project.folder)


def _done(job: Job, status: dict) -> None:
    """What came of it, and the three ways on."""
    result = job.result()
    if status["state"] != "finished" or not result:
        return
    prediction, dataset = Path(result["folder"]), Path(result["dataset"])
    if not (prediction.exists() and dataset.exists()):
        st.caption("What came of it was deleted meanwhile.")
        return
    pixels = [f"{in_markdown(name)} {count:,}" for name, count in result["labelled"].items()]
    st.markdown(f"**{in_markdown(dataset.name)}**: {counted(sum(result['labelled'].values()), 'pixel')} labelled ({listed(pixels, 8)}).")
    with st.container(horizontal=True):
        if st.button("See the prediction", icon=frame.PAGES["predict"][2], key="label_to_predict"):
            state.select(prediction=prediction)
            st.switch_page(frame.PAGES["predict"][0])
        if st.button("On the map", icon=frame.PAGES["map"][2], key="label_to_map"):
            state.select(prediction=prediction)
            st.switch_page(frame.PAGES["map"][0])
        if st.button("Train on it", type="primary", icon=frame.PAGES["train"][2], key="label_to_train", help="Starts from this model."):
            train_on(dataset, LabelProject.open(job.request["project"]))
            st.switch_page(frame.PAGES["train"][0])


def train_on(dataset: Path, project: LabelProject) -> None:
    """Have the Train page take the data set, with a network that goes on from the project's model, or from ImageNet without one."""
    state.select(dataset=dataset)
    if project.model is not None:
        model = find_model(project.model)
        patch_form.propose(library.dataset(dataset), patch_size=model.card.patch_size, scale=model.card.scale)
        state.train_from(library.model_key(model), {"architecture": model.card.architecture, "encoder": model.card.encoder})


def certify(folder: Path) -> None:
    """The second tab: how right the accepted answer is, by points that a person looks at."""
    prediction = accepted(LabelProject.open(folder))
    if prediction is None:
        frame.empty_state(
            "Nothing accepted yet",
            "Paint, then press **Accept the answer**: points are drawn in that prediction, and you say what each of them shows.",
            icon=":material/verified:",
            sample=False,
        )
        return
    certify_tab.tab(prediction)
