"""Where a scene comes from: a data set, a path on this machine, or a file that the browser sends; one choice for Label and Predict."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from core.digests import digest_of
from core.errors import InputError
from core.plain import in_markdown
from core.reading.addresses import host_of
from core.scenes.opening import open_scene
from core.scenes.remote.links import Link, is_link, read_link, shown_address
from core.scenes.remote.tiles.offers import is_service
from core.scenes.scene import Scene
from core.verbs import registry
from core.words import counted
from ui import jobs_view, library, state, uploads
from ui.allowed import changing, refuse_if_read_only
from ui.input import KEEP, typed_path

DATA, PATH, UPLOAD = "data", "path", "upload"
_PLANNED = "gl_scene_tiles"  # what was asked of a map server, and how large it becomes
_REGION_HELP = "West, south, east and north in degrees, with commas between them."
_WORDS = {DATA: "Data set", PATH: "File or folder", UPLOAD: "Upload"}


def choose(page: str, *, help: str, placeholder: str, path_help: str) -> tuple[str, Path | None]:
    """Which of the three, and the path that was typed or sent; None while there is none, and for a data set. Keys begin with `page`.

    Raises InputError for a path outside the folders that the dashboard may open.
    """
    source = st.segmented_control(
        "Scene",
        list(_WORDS),
        default=DATA,
        required=True,
        format_func=_WORDS.get,
        key=f"{page}_source",
        help=help,
        **KEEP,
    )
    if source == PATH:
        path_key = f"{page}_path"
        words = f"{path_help} Or an address: of a GeoTIFF (https://…, s3://…), tiles with {{z}}/{{x}}/{{y}}, a WMS or WMTS."
        typed = st.text_input("Path", key=path_key, placeholder=placeholder, help=words, **KEEP)
        path = typed_path(typed, addresses=True)
        return PATH, path if path is None or not is_link(path) else _arrived(path, page)
    if source == UPLOAD:
        words = "Large scenes are better opened by their path."
        sent = st.file_uploader("Image", type=uploads.IMAGE_TYPES, key=f"{page}_upload", **changing(words))
        return UPLOAD, None if sent is None else uploads.once(sent, state.workspace().uploads)
    return DATA, None


def _arrived(path: Path, page: str) -> Path | None:
    """The link to a picture that can be read; None while it waits to be fetched whole, which is offered. Raises SceneError."""
    from core.scenes.remote.parts import why_whole
    from core.scenes.remote.whole import arrive

    link = read_link(path)
    if is_service(link.address):
        return _of_service(path, link, page)
    if link.whole is not None or link.parts:
        return path
    with st.spinner(f"Asking {host_of(link.address)}"):
        why = why_whole(link)
    if not why:
        link.known(parts=True)
        return path
    st.caption(f"{in_markdown(path.stem)} cannot be read in parts: {in_markdown(why)}. It can be fetched once as a whole.")
    if not st.button("Fetch it", icon=":material/download:", key=f"{page}_fetch", **changing()):
        return None
    refuse_if_read_only()
    bar = st.progress(0.0, "Fetching")
    arrive(path, on_progress=lambda done, total, words: bar.progress(min(1.0, done / total) if total else 0.0, in_markdown(words)))
    bar.empty()
    return path


def _of_service(path: Path, link: Link, page: str) -> Path | None:
    """What was last fetched of a map server, and the form to fetch another region; None while there is nothing."""
    job = jobs_view.newest("fetch", keep=lambda job: job.request.get("source") == str(path))
    done = None
    if job is not None and job.status()["state"] == "finished" and Path(job.request["out"]).is_file():
        done = Path(job.request["out"])
    with st.expander("Region and scale", expanded=done is None, key=f"{page}_tiles"):
        _plan_tiles(path, link, page, busy=job is not None and job.active)
    if job is not None and done is None:
        jobs_view.progress(job.folder, f"{page}_tiles_job")
    return done


def _plan_tiles(path: Path, link: Link, page: str, *, busy: bool) -> None:
    """The form, how large it becomes and whose it is, and the button that fetches it."""
    xyz = "{" in link.address
    with st.form(f"{page}_tiles_form", border=False):
        region = st.text_input("Region", key=f"{page}_tiles_region", placeholder="55.2,25.1,55.3,25.2", help=_REGION_HELP, **KEEP)
        a, b = st.columns(2)
        gsd = a.number_input(
            "Pixels on the ground, m",
            0.01,
            10_000.0,
            0.5,
            format="%g",
            key=f"{page}_tiles_gsd",
            help="The coarsest level is taken whose pixels are no larger; a WMS draws just these.",
            **KEEP,
        )
        owner = b.text_input("The picture belongs to", key=f"{page}_tiles_owner", placeholder="As the server says", **KEEP)
        layer = crs = ""
        if not xyz:
            layer = a.text_input("Layer", key=f"{page}_tiles_layer", placeholder="ortho_2024", help="As its capabilities list it.", **KEEP)
            crs = b.text_input(
                "Coordinates of a WMS", key=f"{page}_tiles_crs", placeholder="EPSG:3857", help="Empty for Web Mercator.", **KEEP
            )
        pressed = st.form_submit_button("How large is it?", icon=":material/straighten:", key=f"{page}_tiles_look", **changing())
    told = {"layer": layer.strip(), "crs": crs.strip(), "attribution": owner.strip()}
    request = {"source": str(path), "bbox": _corners(region), "gsd": gsd, **{key: text for key, text in told.items() if text}}
    if pressed:
        with st.spinner(f"Asking {host_of(link.address)}"):
            st.session_state[_PLANNED] = request, registry.run("fetch", request | {"plan": True})
    planned, answer = st.session_state.get(_PLANNED, (None, {}))
    if planned != request:
        return
    size = library.pixels_text((answer["width"], answer["height"]))
    st.markdown(
        f"**{in_markdown(answer['title'])}**: {size} px of {answer['pixel_m']:.3g} m, {counted(answer['tiles'], 'tile')}, "
        f"about {answer['megabytes']:.3g} MB. {in_markdown(answer['attribution'] or 'The server does not say whose the picture is.')}"
    )
    words = "Runs in a process of its own. What came stays when it is stopped, and is gone on with."
    if st.button(
        f"Fetch {counted(answer['tiles'], 'tile')}", icon=":material/download:", key=f"{page}_tiles_fetch", **changing(words, disabled=busy)
    ):
        out = path.with_name(f"{path.stem}-{digest_of(request)[:6]}.tif")
        jobs_view.start("fetch", request | {"out": out}, title=answer["title"])
        st.rerun()


def _corners(region: str) -> list[float] | None:
    """West, south, east and north as they were typed; None while nothing is. Raises InputError."""
    if not region.strip():
        return None
    try:
        return [float(part) for part in region.split(",")]
    except ValueError:
        raise InputError(f"the region {region[:80]!r}", expected="WEST,SOUTH,EAST,NORTH in degrees", do="Type four numbers") from None


def fill(page: str, path: str) -> None:
    """Name a scene in the form as if its path had been typed; before the form is drawn."""
    st.session_state[f"{page}_source"], st.session_state[f"{page}_path"] = PATH, path


def data_set(page: str, on: st.delta_generator.DeltaGenerator, *, none_open: str) -> Path | None:
    """Which of the known data sets; None, and the words `none_open`, where there is none."""
    known = library.datasets()
    if not known:
        st.markdown(none_open)
        return None
    current = state.selection().dataset
    return on.selectbox(
        "Data set",
        known,
        index=known.index(current) if current in known else 0,
        format_func=library.dataset_title,
        key=f"{page}_dataset",
        help="The sample, and those that you opened on Home.",
    )


def describe(path: Path, *, unplaced: str) -> Scene:
    """One line on the scene: size, bands, ground sample distance, or what is `unplaced` without one. Raises SceneError."""
    scene = open_scene(path)
    pixel_m = scene.ground_sample_distance_m
    ground = f"{pixel_m:.2g} m per pixel" if pixel_m else f"no georeference: {unplaced} in pixels"
    st.caption(f"{library.pixels_text((scene.width, scene.height))} px, {scene.bands} bands of {scene.dtype}, {ground}")
    whose = [text for text in (shown_address(path) and f"From {shown_address(path)}", scene.attribution) if text]
    if whose:
        st.caption(in_markdown(" · ".join(whose)))
    return scene
