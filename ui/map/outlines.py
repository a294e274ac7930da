"""Correcting outlines by the region that is drawn on the map, and classes of many polygons at once; all of it can be undone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import shapely
import streamlit as st

from core.plain import in_markdown
from core.vector.editing.log import Corrections
from core.words import counted
from ui.allowed import changing
from ui.map import downloads, edits
from ui.map.drawing import Told

if TYPE_CHECKING:
    from core.vector.layer import PolygonLayer

_FEWEST_MERGED = 2


def panel(traced: PolygonLayer, layer: PolygonLayer, digest: str, told: Told) -> None:
    """What can be made of the region and of the polygons that the filter leaves; nothing while there is neither."""
    if told.region is None and not told.filters:
        return
    with st.expander("Correct with it", icon=":material/edit_square:", key="map_outlines"):
        name = st.selectbox(
            "Class", list(layer.scheme.names), key="map_outline_class", help="Of what is drawn, or of the polygons that change."
        )
        if told.filters:
            left = [int(one) for one in downloads.part_of(layer, told, "filter").frame["id"]]
            _button(
                traced,
                digest,
                f"The filter's {counted(len(left), 'polygon')} to {name}",
                "filter_reclass",
                lambda steps: steps.reclass(left, name),
                left,
            )
        if told.region is not None:
            _with_region(traced, layer, digest, told, name)


def _with_region(traced: PolygonLayer, layer: PolygonLayer, digest: str, told: Told, name: str) -> None:
    region = downloads.region_of(layer, told)
    inside = _inside(layer, region)
    which = counted(len(inside), "polygon")
    _button(
        traced, digest, f"Draw it as {name}", "draw", lambda steps: steps.draw(region, name), help="It takes its place from what is there."
    )
    _button(traced, digest, f"Its {which} to {name}", "region_reclass", lambda steps: steps.reclass(inside, name), inside)
    merged = inside if len(inside) >= _FEWEST_MERGED else ()
    _button(traced, digest, f"Merge its {which}", "merge", lambda steps: steps.merge(inside), merged)
    if told.selected is None:
        st.caption("Select a polygon as well to give it this outline, or to cut it along this border.")
        return
    chosen = int(told.selected)
    _button(traced, digest, f"Polygon {chosen} gets this outline", "reshape", lambda steps: steps.reshape(chosen, region))
    border = shapely.LineString(shapely.get_exterior_ring(region)) if shapely.get_type_id(region) == shapely.GeometryType.POLYGON else None
    if border is not None:
        _button(traced, digest, f"Cut polygon {chosen} along this border", "split", lambda steps: steps.split(chosen, border))


def _inside(layer: PolygonLayer, region: shapely.Geometry) -> list[int]:
    """Ids of the polygons that lie in a region with more than half of their area."""
    shapes = layer.frame.geometry.to_numpy()
    near = shapely.intersects(shapes, region)
    share = shapely.area(shapely.intersection(shapes[near], region)) / shapely.area(shapes[near])
    return [int(one) for one in layer.frame["id"].to_numpy()[near][share > 0.5]]


def _button(
    traced: PolygonLayer,
    digest: str,
    words: str,
    key: str,
    how: Callable[[Corrections], Corrections],
    ids: Sequence[int] = (0,),
    *,
    help: str | None = None,
) -> None:
    st.button(
        in_markdown(words),
        key=f"map_outline_{key}",
        width="stretch",
        on_click=edits.change,
        args=(digest, how, traced),
        **changing(help or "Undo, beside the selected polygon, takes it back.", disabled=not ids),
    )
