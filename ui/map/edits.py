"""Correcting a layer by hand: another class for the selected polygon, or none, with undo; and the result as labels to train on."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st

from core.claims import in_turn
from core.datasets.scene_set import write_scene_set
from core.digests import digest_of
from core.errors import GroundlineError
from core.plain import in_markdown
from core.scenes.opening import open_scene
from core.vector.editing.applying import apply
from core.vector.editing.burning import burn
from core.vector.editing.log import Corrections
from ui import frame, state
from ui.allowed import changing, refuse_if_read_only
from ui.kept import keep
from ui.map.sources import MapSource

if TYPE_CHECKING:
    from core.vector.layer import PolygonLayer

_FILLS = {"merge": "Give its place to the neighbour", "hole": "Leave a hole"}


def corrections_of(digest: str) -> Corrections:
    """The corrections of the layer that `digest` names. Raises InputError when their file is broken."""
    return Corrections.load(_file(digest))


def _file(digest: str) -> Path:
    # Polygons are numbered anew by each tracing, so corrections belong to one raster and one set of settings.
    return state.workspace().layers / "corrections" / f"{digest}.json"


def corrected(layer: PolygonLayer, digest: str) -> tuple[PolygonLayer, str]:
    """The layer with its corrections, and the digest of both; the same ones when there are none."""
    corrections = corrections_of(digest)
    if not len(corrections):
        return layer, digest
    name = digest_of(digest, corrections.done)
    return keep("corrected", name, lambda tell: apply(layer, corrections), words="Correcting polygons", most=4), name


def change(digest: str, how: Callable[[Corrections], Corrections], on: PolygonLayer | None = None) -> None:
    """Keep the corrections after `how` was done to them, a callback. Steps that do not go `on` the traced layer are told, not kept."""
    refuse_if_read_only()
    with in_turn(_file(digest)):
        try:
            steps = how(corrections_of(digest))
            if on is not None:
                apply(on, steps)
        except GroundlineError as error:
            st.toast(in_markdown(error), icon=":material/error:")
            return
        steps.save(_file(digest))


def panel(source: MapSource, traced: PolygonLayer, layer: PolygonLayer, digest: str, selected: int | None) -> None:
    """The card of the selected polygon: its class, delete, undo and redo, and the way to the labels."""
    corrections = corrections_of(digest)
    row = layer.frame[layer.frame["id"] == selected] if selected is not None else layer.frame.iloc[:0]
    if row.empty:
        st.markdown("Click a polygon on the map, or a row of the table, to see all of it and to correct its class.")
    else:
        _form(layer, digest, int(selected), str(row["class_name"].iloc[0]))
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button(
            "Undo",
            key="map_undo",
            icon=":material/undo:",
            on_click=change,
            args=(digest, Corrections.undo),
            **changing(
                f"Takes back: {in_markdown(corrections.describe()[-1])}." if corrections.can_undo else "Nothing was corrected yet.",
                disabled=not corrections.can_undo,
            ),
        )
        st.button(
            "Redo",
            key="map_redo",
            icon=":material/redo:",
            on_click=change,
            args=(digest, Corrections.redo),
            **changing("Puts back what was undone last.", disabled=not corrections.can_redo),
        )
        if len(corrections):
            st.badge(f"{len(corrections)} corrected", icon=":material/edit:", color="green")
    if len(corrections):
        st.caption("Kept with this raster and these settings; the map and all downloads hold them.")
        _labels(source, traced, corrections)


def _form(layer: PolygonLayer, digest: str, selected: int, name: str) -> None:
    names = list(layer.scheme.names)
    a, b, c = st.columns([3, 2, 2], vertical_alignment="bottom")
    wanted = a.selectbox(
        f"Class of polygon {selected}",
        names,
        index=names.index(name),
        key=f"map_class_{digest}_{selected}_{name}",
        help="What the polygon shows in truth.",
    )
    b.button(
        "Change class",
        key="map_reclass",
        icon=":material/edit:",
        type="primary",
        width="stretch",
        on_click=change,
        args=(digest, lambda steps: steps.reclass(selected, wanted)),
        **changing("Gives the polygon the class chosen here.", disabled=wanted == name),
    )
    with c.popover("Delete", icon=":material/delete:", width="stretch", help="Takes the polygon out of the layer; undo brings it back."):
        fill = st.radio("What takes its place", list(_FILLS), format_func=_FILLS.get, key="map_fill", persist_state="session")
        st.button(
            f"Delete polygon {selected}",
            key="map_delete",
            icon=":material/delete:",
            on_click=change,
            args=(digest, lambda steps: steps.delete(selected, fill=fill)),
            **changing(),
        )


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
