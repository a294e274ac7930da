"""Beginning to label a scene: which one, which classes, and what is started from."""

from __future__ import annotations

import re
from pathlib import Path

import streamlit as st

from core.files import PREDICTION_FILE
from core.labelling.projects.painting import STARTS
from core.labelling.projects.project import PROJECT_FILE, LabelProject
from core.model_store.models import Model
from core.plain import in_markdown
from core.prediction.folder.origin import window_of
from core.reading.readable import sorted_out
from core.scenes.image_names import place_name
from core.scenes.scene import Scene
from ui import frame, jobs_view, library, scene_source, state
from ui.allowed import changing, refuse_if_read_only
from ui.label import open as opened

_NO_MODEL = "none"
_CURRENT = "gl_label_project"
_OWN = "Classes of the model"


def projects() -> list[Path]:
    """Folders of the scenes that are being labelled, the one worked on last first; those that cannot be opened are left out."""
    found = sorted(state.workspace().labelling.glob(f"[!.]*/{PROJECT_FILE}"), key=_last_change, reverse=True)
    return sorted_out([path.parent for path in found], lambda folder: LabelProject.open(folder).folder)[0]


def _last_change(path: Path) -> int:
    return max(one.stat().st_mtime_ns for one in (path, path.parent))


def form() -> Path | None:
    """The form; the folder of the new project once it was begun."""
    path = scene = model = None
    classes: list[tuple[str, str]] = []
    left, right = st.columns([3, 2], gap="large")
    with left, frame.errors() as opening:
        path = _scene()
        scene = None if path is None else scene_source.describe(path, unplaced="strokes and results are")
    with right, frame.errors() as chosen:
        model = _model()
        classes = _classes(model)
    ready = scene is not None and not opening.failed and not chosen.failed
    hint = "What you paint is kept as you paint it. You may leave and come back at any time."
    if not st.button("Begin to label", type="primary", icon=":material/brush:", key="label_begin", **changing(hint, disabled=not ready)):
        return None
    with frame.errors() as begun:
        refuse_if_read_only()
        folder = begin(path, scene, classes, model)
    return None if begun.failed else folder


def begin(path: Path, scene: Scene, classes: list[tuple[str, str]], model: Model | None) -> Path:
    """Make the project and, where a model is started from that has not seen this scene yet, send the scene through it."""
    folder = free_folder(state.workspace().labelling, place_name(path))
    made = _prediction_of(path, scene, model) if model is not None else None
    key = None if model is None else library.model_key(model)
    of_model = 0 if model is None else len(model.card.scheme)
    LabelProject.create(folder, path, classes, model=key, prediction=made, of_model=of_model)
    if model is not None and made is None:
        jobs_view.start(
            "predict", {"model": key, "scene": path, "out": answer_folder(folder)}, title=f"{scene.name} with {model.card.name}"
        )
    state.select(scene=path, **({} if key is None else {"model": key}))
    return folder


def answer_folder(project: Path) -> Path:
    """Where the model's answer for a project's scene lies, when it was made for the project."""
    return project / "model-answer"


def free_folder(parent: Path, name: str) -> Path:
    """A folder below `parent` that is not there yet, called `name` or nearly so."""
    clean = re.sub(r"[^\w.-]+", "-", name).strip("-.") or "scene"
    names = [clean, *(f"{clean}-{number}" for number in range(2, 1000))]
    return next(parent / one for one in names if not (parent / one).exists())


def _scene() -> Path | None:
    source, path = scene_source.choose(
        "label",
        help="An image without any mask will do.",
        placeholder="~/orthophoto.tif or https://…",
        path_help="An image, or a folder of tiles that continue each other.",
    )
    if source != scene_source.DATA:
        return path
    left, right = st.columns(2)
    folder = scene_source.data_set("label", left, none_open="No data set is open. Give the path of an image, or send one.")
    if folder is None:
        return None
    scenes = library.scenes_of(folder)
    chosen = state.selection().scene
    first = next((number for number, one in enumerate(scenes) if one.image == chosen), library.largest(scenes))
    picked = right.selectbox(
        "Image", scenes, index=first, format_func=lambda one: one.name, key=f"label_scene_{folder}", help="With or without a mask."
    )
    return None if picked is None else picked.image


def _model() -> Model | None:
    models = {library.model_key(model): model for model in library.models() if model.card.measured is None}
    current = state.selection().model
    names = [_NO_MODEL, *models]
    chosen = st.selectbox(
        "Start from",
        names,
        index=names.index(current) if current in models else 0,
        format_func=lambda key: "Strokes alone" if key == _NO_MODEL else library.model_title(key),
        key="label_model",
        help="A model's answer is shown first, and your strokes correct it: fewer of them are needed. Without one they start from nothing.",
    )
    return models.get(chosen)


def _classes(model: Model | None) -> list[tuple[str, str]]:
    starts = list(STARTS) if model is None else [_OWN]
    chosen = st.selectbox(
        "Classes to begin with",
        starts,
        key=f"label_classes_{model is None}",
        disabled=model is not None,
        help="Add, rename, recolour and merge them while you paint.",
    )
    scheme = None if model is None else state.shown(model.card.scheme)
    found = list(STARTS[chosen]) if scheme is None else [(name, scheme.hex(k)) for k, name in enumerate(scheme.names)]
    st.caption(", ".join(name for name, _ in found))
    return found


def _prediction_of(path: Path, scene: Scene, model: Model) -> Path | None:
    """A prediction of the whole of this very scene by this model that is there already."""
    for folder in library.predictions():
        made = library.prediction(folder)
        same = Path(made.made.get("scene", "")) == path and made.made.get("scene_digest") in (None, scene.digest)
        if same and made.card_name == model.card.name and window_of(made) == scene.window:
            return folder
    return None


def adopt(project: LabelProject) -> bool:
    """Take over the model's answer once its job has ended well; whether it was."""
    answer = answer_folder(project.folder)
    if project.model is None or project.prediction is not None or not (answer / PREDICTION_FILE).exists():
        return False
    project.start_from(answer)
    return True


def watch(project: LabelProject) -> None:
    """Progress of the model's answer that the project waits for; the page is drawn anew when it is there."""
    if project.model is None or project.prediction is not None:
        return
    job = jobs_view.newest("predict", keep=lambda job: job.request.get("out") == str(answer_folder(project.folder)))
    if job is None:
        return
    with st.container(border=True, key="label_answer_job"):
        if job.active:
            st.caption("You can paint meanwhile; the model's answer joins in when it is there.")
        jobs_view.progress(job.folder, "label_answer")


def choose(folders: list[Path], linked: Path | None) -> Path:
    """Which project is painted."""
    current = linked or st.session_state.get(_CURRENT)
    index = folders.index(current) if current in folders else 0
    first, second = st.columns([5, 1], vertical_alignment="bottom")
    chosen = first.selectbox("Labels of", folders, index=index, format_func=lambda folder: folder.name, help="The one painted last first.")
    st.session_state[_CURRENT] = chosen
    state.link("label", chosen.name)
    hint = "Moves what was painted to the trash, from where Disk use on Home gives it back."
    with second.popover("Delete", icon=":material/delete:", width="stretch", **changing(hint)):
        st.markdown(f"All that was painted on **{in_markdown(chosen.name)}** goes to the trash.")
        if st.button("Move to the trash", icon=":material/delete:", key="label_delete", **changing()):
            refuse_if_read_only()
            opened.close(chosen)
            state.workspace().discard([chosen], label=f"Labels of {chosen.name}")
            st.rerun()
    return chosen


def open_next(folder: Path) -> None:
    """Have the page show a project from its next run on."""
    st.session_state[_CURRENT] = folder


def asked_scene() -> bool:
    """Whether another page asked to label a scene, which the form then names. Asked once."""
    path = state.wanted_label()
    if path:
        scene_source.fill("label", path)
    return path is not None
