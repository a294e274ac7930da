"""Two predictions of one place side by side, in step: two dates or two models, with polygons of what changed."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import streamlit as st

from core.digests import digest_of
from core.errors import SettingsError
from core.words import area_words, share_words
from ui import state, tables
from ui.kept import keep
from ui.map import colours, downloads, drawing, naming, online, tracing
from ui.map.sources import MapSource, class_layer, scene_layer

if TYPE_CHECKING:
    from streamlit.delta_generator import DeltaGenerator

    from core.vector.change import ChangeResult
    from core.vector.layer import VectorResult
    from core.vector.settings import VectorSettings

_RIGHT = {"second": "Second prediction", "change": "What changed"}
CHANGE_IDS = 1000
"""Added to the class ids of change polygons, so that both legends fit on one map."""


def show(
    source: MapSource, other: MapSource, settings: VectorSettings, first: VectorResult, digest: str, *, choice: DeltaGenerator
) -> None:
    """Both maps, the areas by class pair, and the change layer to take home; what the right map shows is chosen in `choice`.

    Raises SettingsError when they are of different places.
    """
    if source.geo.georeferenced != other.geo.georeferenced:
        raise SettingsError(
            f"{source.title} and {other.title}, of which only one has coordinates",
            expected="two with, or two without",
            do="Place the other one on the earth first (More, above)",
        )
    second_settings = tracing.fitting(settings, other)
    second_digest = tracing.layer_digest(other, second_settings)
    # One place for what comes and goes: the map below keeps its position in the page, and so its view.
    with st.container(key="compare_news", gap="small"):
        second = tracing.traced(other, second_settings, second_digest)
        change_digest = digest_of("change", source.digest, other.digest, settings)
        changed = keep("change", change_digest, lambda tell: _change(source, other, settings, tell), words="Comparing both", most=4)
    names, other_names = naming.called(source), naming.called_beside(source, other)
    layer, other_layer = naming.named(first.layer, names), naming.named(second.layer, other_names)
    changed = naming.named_change(changed, names, other_names)
    on_right = choice.segmented_control(
        "On the right map",
        list(_RIGHT),
        default="second",
        required=True,
        format_func=_RIGHT.get,
        key="map_right",
        persist_state="session",
        label_visibility="collapsed",
    )
    left = drawing.Drawn(layer, digest, state.shown(layer.scheme))
    if on_right == "change":
        right = drawing.Drawn(changed.layer, change_digest, changed.layer.scheme, id_offset=CHANGE_IDS)
    else:
        right = drawing.Drawn(other_layer, second_digest, state.shown(other_layer.scheme))
    pictures = []
    for side, of in enumerate((source, other)):
        scene = scene_layer(of)
        if scene is not None:
            pictures.append(drawing.Underlay("Scene", scene, shown=True, side=side))
        pictures.append(drawing.Underlay("Class raster", class_layer(of), base=False, opacity=0.7, side=side))
    titles = (source.title, other.title)
    if titles[0] == titles[1]:
        titles = (f"{titles[0]} (first)", f"{titles[1]} (second)")
    ground = drawing.Ground(source.height, source.width, source.geo)
    made = drawing.base_map(ground, pictures, titles=titles, memory=f"{source.digest}-{other.digest}")
    told = drawing.message(
        left, pixel_size_m=source.geo.pixel_size_m, second=right, changes=on_right == "change", colouring=colours.offered()
    )
    if on_right == "second":
        _common_ground(told, changed)
    told["classTiles"] = drawing.class_tiles(pictures, ground)
    told["online"] = online.offered(source.geo)
    key = f"compare-{source.digest}-{other.digest}{online.key(source.geo)}"
    drawing.show(made, told, key=key)
    colours.take(key)
    _areas(changed)
    downloads.of_change(changed.layer, f"{source.title} to {other.title}")


def _common_ground(told: dict[str, Any], changed: ChangeResult) -> None:
    """Areas of the legend count the ground that both maps show: of a town and a part of it, what is elsewhere has not changed."""
    for classes, areas in ((told["classes"], changed.matrix.sum(axis=1)), (told["second"]["classes"], changed.matrix.sum(axis=0))):
        for item in classes:
            item["area"] = float(areas.get(item["name"], 0.0))
    told["note"] = f"{told['note']} Areas of the ground that both show.".strip()


def _change(source: MapSource, other: MapSource, settings: VectorSettings, tell) -> ChangeResult:
    from core.vector.change import change
    from core.vector.tracing.sources import open_labels

    one, two = (
        replace(open_labels(of.path, threshold=how.threshold, thresholds=how.class_thresholds()), geo=of.geo)
        for of, how in ((source, settings), (other, tracing.fitting(settings, other)))
    )
    return change(
        one,
        two,
        min_area=settings.min_area,
        simplify=settings.simplify,
        on_progress=lambda done, total, text: tell(done, total, text.capitalize()),
    )


def _areas(changed: ChangeResult) -> None:
    share = changed.changed_area / (changed.compared_area or 1)
    with st.container(horizontal=True):
        st.metric("Compared", area_words(changed.compared_area, changed.units), border=True, help="Where both have a class.")
        st.metric(
            "Changed",
            area_words(changed.changed_area, changed.units),
            border=True,
            help="Where the classes differ, counted in pixels.",
        )
        st.metric("Share changed", share_words(share, 1), border=True)
        st.metric("Areas of change", f"{len(changed.layer.frame):,}", border=True, help="Polygons, small ones merged as set above.")
    unit = "m²" if changed.units == "m" else "px"
    left, right = st.columns(2, gap="large")
    left.markdown("**Largest changes**")
    pairs = changed.pairs()
    tables.show(
        pairs.assign(share=100 * pairs["share"]),
        hide_index=True,
        alt="Areas of change by pair of classes",
        height=248,
        column_config={
            "from_class": "from",
            "to_class": "to",
            "area": st.column_config.NumberColumn(f"area, {unit}", format="%,.0f"),
            "share": st.column_config.NumberColumn("share", format="%.2f %%", help="Of the area that was compared"),
        },
        on=left,
    )
    right.markdown(f"**All classes**, {unit}: rows in the first, columns in the second")
    tables.show(
        changed.matrix.round(0),
        alt="Area by class in the first and in the second",
        height=248,
        column_config={name: st.column_config.NumberColumn(format="%,.0f") for name in changed.matrix.columns},
        names=list(changed.matrix.columns),
        on=right,
    )
