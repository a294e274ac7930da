"""Correcting a layer by hand: what the map asks for becomes steps that can be undone; and the result as labels to train on."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import streamlit as st

from core.claims import in_turn
from core.datasets.scene_set import write_scene_set
from core.digests import digest_of
from core.errors import GroundlineError
from core.plain import in_markdown
from core.reading.readable import state_of
from core.scenes.opening import open_scene
from core.vector.editing.applying import Replay, replay
from core.vector.editing.asked import corrected_by
from core.vector.editing.burning import burn
from core.vector.editing.log import Corrections
from core.words import counted
from ui import frame, state
from ui.allowed import READ_ONLY_WORDS, changing, read_only, refuse_if_read_only
from ui.kept import at_hand, keep
from ui.map.sources import MapSource

if TYPE_CHECKING:
    from core.vector.layer import PolygonLayer

_FILLS = {"merge": "Neighbour takes its place", "hole": "Leave a hole"}
_ANSWER = "gl_map_answer"  # what was said to the correction that the map asked for last
_BEFORE = "gl_map_before"  # the layer that the last correction was made on, by what it has become
_SEEN = "gl_map_corrected"  # the layer that was corrected last, by the raster that it was traced from
_KEPT = "corrected"


def corrections_of(digest: str) -> Corrections:
    """The corrections of the layer that `digest` names. Raises InputError when their file is broken."""
    file = _file(digest)
    return _loaded(file, state_of(file)) if file.exists() else Corrections()


@lru_cache(maxsize=8)
def _loaded(file: Path, _state: tuple[int, ...]) -> Corrections:
    """The page asks for them in several places of one run."""
    return Corrections.load(file)


def _file(digest: str) -> Path:
    # Polygons are numbered anew by each tracing, so corrections belong to one raster and one set of settings.
    return state.workspace().layers / "corrections" / f"{digest}.json"


def corrected(layer: PolygonLayer, digest: str) -> tuple[PolygonLayer, str]:
    """The layer with its corrections, and the digest of both; the same ones when there are none."""
    return _with_steps(layer, digest, corrections_of(digest))


def _with_steps(layer: PolygonLayer, digest: str, steps: Corrections) -> tuple[PolygonLayer, str]:
    if not len(steps):
        return layer, digest
    earlier: list[Replay] = [done for done, _ in at_hand(_KEPT)]

    def make(_tell: object) -> tuple[Replay, PolygonLayer]:
        done = replay(layer, steps, earlier)
        return done, done.corrected

    name = digest_of(digest, steps.done)
    return keep(_KEPT, name, make, words="Correcting polygons")[1], name


def elsewhere(source: MapSource, digest: str) -> str:
    """A sentence on corrections that this session saw with other outline settings, where the layer of now has none; else ''."""
    seen = st.session_state.setdefault(_SEEN, {})
    if len(corrections_of(digest)):
        seen[source.digest] = digest
        return ""
    there = len(corrections_of(seen[source.digest])) if source.digest in seen else 0
    if not there:
        return ""
    one = there == 1
    belong = f"belong{'s' if one else ''} to other outline settings and return{'s' if one else ''} with them."
    return f"{counted(there, 'correction')} {belong}"


def take(asked: dict[str, Any] | None, traced: PolygonLayer, digest: str, called: Mapping[str, str]) -> None:
    """Do what the map asks for and keep it, once; a step that does not go on the traced layer is told on the map, and not kept.

    A correction that was made on another state of the layer than the present one is passed over. `called` are other names of classes.
    """
    if asked is None or asked.get("n") == st.session_state.get(_ANSWER, {}).get("n"):
        return
    answer = {"n": asked.get("n"), "refused": "", "said": ""}
    try:
        refuse_if_read_only()
        with in_turn(_file(digest)):
            steps = corrections_of(digest)
            layer, name = _with_steps(traced, digest, steps)
            if asked.get("on") == name:
                fresh = corrected_by(steps, asked, layer)
                become = _with_steps(traced, digest, fresh)[1]
                fresh.save(_file(digest))
                st.session_state[_BEFORE] = {become: (layer, name)}
                answer["said"] = _said(str(asked["kind"]), steps, fresh, called)
            else:
                answer["refused"] = "The layer has changed meanwhile. Look at it, and do it again."
    except GroundlineError as error:
        # What to do is told to whoever finds the step in a log; here it was not kept.
        answer["refused"] = f"Not done: {error.found}. Expected {error.expected}."
    st.session_state[_ANSWER] = answer


def before(digest: str) -> tuple[PolygonLayer, str] | None:
    """The layer that has become the one which `digest` names by this session's last correction, with its own digest."""
    return st.session_state.get(_BEFORE, {}).get(digest)


def _said(kind: str, before: Corrections, after: Corrections, called: Mapping[str, str]) -> str:
    if kind == "undo":
        return f"Taken back: {before.describe(called)[-1]}." if before.can_undo else "There is nothing to take back."
    if kind == "redo":
        return f"Done again: {after.describe(called)[-1]}." if before.can_redo else "There is nothing to do again."
    words = after.describe(called)[-1]
    return f"{words[:1].upper()}{words[1:]}."


def offered(layer: PolygonLayer, digest: str) -> dict[str, Any]:
    """What the map offers to correct: the classes, what can be undone and redone, and what was said to the last correction."""
    steps = corrections_of(digest)
    names = state.shown(layer.scheme).names
    return {
        "classes": [{"id": class_id, "name": name} for class_id, name in enumerate(names)],
        "fills": _FILLS,
        "undo": steps.describe(layer.scheme.called)[-1] if steps.can_undo else "",
        "redo": steps.undone[-1].text(layer.scheme.called) if steps.can_redo else "",
        "mayChange": not read_only(),
        "readOnly": READ_ONLY_WORDS,
        "answer": st.session_state.get(_ANSWER),
    }


def panel(source: MapSource, traced: PolygonLayer, digest: str, called: Mapping[str, str]) -> None:
    """How many corrections there are and what becomes of them, and the way to labels; `called` are other names of classes."""
    corrections = corrections_of(digest)
    if not len(corrections):
        if words := elsewhere(source, digest):
            st.markdown(words)
        st.markdown("Select polygons on the map or in the table; the card beside the map changes, merges and deletes them.")
        return
    steps = corrections.describe(called)
    st.markdown(f"**{counted(len(steps), 'correction')}**, the last one: {in_markdown(steps[-1])}.")
    st.caption("Kept with this raster and these outline settings: others begin a layer without them. The map and all downloads hold them.")
    _labels(source, traced, corrections)


def _labels(source: MapSource, traced: PolygonLayer, corrections: Corrections) -> None:
    usable = source.scene is not None and source.scene.is_file() and source.own_geo == (source.geo.crs is not None)
    if st.button(
        "Use as labels",
        key="map_labels",
        icon=":material/school:",
        **changing(
            "Burns the corrected layer into a mask beside the scene: a data set to train on. Pixels that you did not correct keep the "
            "class of the prediction."
            if usable
            else "Needs the scene's own file, in the coordinates that it came with.",
            disabled=not usable,
        ),
    ):
        with frame.errors() as outcome:
            folder = label_set(source, traced, corrections)
            state.select(dataset=folder)
        if not outcome.failed:
            st.success(
                f"{in_markdown(folder.name)} is now the selected data set: the scene with its corrected mask.", icon=":material/check:"
            )
            st.page_link(frame.PAGES["train"][0], label="Train on it", icon=frame.PAGES["train"][2])


def label_set(source: MapSource, layer: PolygonLayer, corrections: Corrections) -> Path:
    """A data set of one scene in the workspace: images/, masks/ with the corrected class ids, classes.json; returns its folder."""
    refuse_if_read_only()
    folder = state.workspace().labels / f"{source.scene.stem}-corrected"
    made = {"scene": source.scene, "corrections": corrections.describe()}
    write = partial(burn, layer, corrections, base=source.path)
    return write_scene_set(folder, open_scene(source.scene), source.scheme, write, made=made)
