"""The scenes of a data set as small pictures on the Explore page, filtered by tile, class share and finding."""

from __future__ import annotations

import numpy as np
import streamlit as st

from core.classes import ClassScheme
from core.datasets.datasets import Dataset
from core.datasets.masks.sampling import spread
from core.datasets.pairs import Pair
from core.errors import GroundlineError
from core.plain import in_markdown
from core.scenes.display import default_rgb, display_rgb, stretch_limits
from ui import frame, state
from ui.explore import counts, findings

_PER_PAGE = 24
_THUMB_PX = 300
_SAMPLED_SCENES, _SAMPLED_PX = 12, 128
_ANY, _NAME, _TROUBLE, _SOUND = "Any", "Name", "With an error or a warning", "Without error or warning"
_TITLE_LETTERS = 70


def thumbnails(dataset: Dataset) -> None:
    """A page of small pictures with their filters; a name opens its scene large."""
    pairs, order, overlay = _chosen(dataset)
    if not pairs:
        st.markdown("No scene fits. Take one of the filters back.")
        return
    pages = max(1, -(-len(pairs) // _PER_PAGE))
    page = st.pagination(pages, key="explore_page") if pages > 1 else 1
    shown = pairs[(min(page, pages) - 1) * _PER_PAGE : min(page, pages) * _PER_PAGE]
    per_row = 6 if len(dataset.pairs) > 4 else 3
    limits, colours = _limits(dataset, dataset.digest), state.shown(dataset.scheme)
    for number, pair in enumerate(shown):
        if number % per_row == 0:
            columns = st.columns(per_row)
        with columns[number % per_row], frame.errors():
            st.image(
                _thumbnail(pair, dataset.scheme, overlay, limits, (dataset.digest, pair.name, repr(colours)), colours),
                width="stretch",
                alt=pair.name,
            )
            st.button(
                in_markdown(pair.name),
                key=f"explore_pick_{pair.name}",
                type="tertiary",
                help=f"{in_markdown(pair.group)}: open it large",
                on_click=_open_scene,
                args=(pair.name,),
            )
    ordered = "" if order == _NAME else f", those with the {order[0].lower()}{order[1:]} first"
    st.caption(f"{len(shown)} of {len(pairs):,} scenes{ordered}. Press a name to see the scene large.")


def _chosen(dataset: Dataset) -> tuple[list[Pair], str, bool]:
    """The pairs that pass the filters in their order, what the order is, and whether masks are laid over them."""
    first, second, third = st.columns([2, 2, 3])
    groups = first.multiselect(
        "Tiles",
        dataset.groups,
        key="explore_groups_shown",
        placeholder="All tiles",
        help="Show only scenes of these tiles.",
        persist_state="session",
    )
    names = dataset.scheme.names
    shows = second.selectbox(
        "Shows class", [_ANY, *names], key="explore_class", help="Show only scenes with enough of this class.", persist_state="session"
    )
    pairs = [pair for pair in dataset.pairs if not groups or pair.group in groups]
    pairs = _by_finding(dataset, pairs, third)
    order_box, toggle_box, share_box = st.columns([2, 2, 3], vertical_alignment="bottom")
    order = order_box.selectbox(
        "Order",
        [_NAME, *(f"Most {name}" for name in names)],
        key="explore_order",
        help="By name, or by the share of one class.",
        persist_state="session",
    )
    if shows != _ANY:
        least = share_box.slider(
            f"Least share of {in_markdown(shows)}, %",
            1,
            100,
            5,
            key="explore_share",
            help="Of the labelled pixels of a scene.",
            persist_state="session",
        )
        share = _shares(dataset, names.index(shows))
        pairs = [pair for pair in pairs if share.get(pair.name, 0.0) >= least / 100]
        if len(share) < len(dataset.pairs):
            st.caption(f"The class share is known of {len(share)} of {len(dataset.pairs):,} scenes, spread evenly over the list.")
    if order != _NAME:
        share = _shares(dataset, names.index(order.removeprefix("Most ")))
        pairs.sort(key=lambda pair: -share.get(pair.name, 0.0))
    overlay = toggle_box.toggle("Show masks", key="explore_overlay", help="Lay the mask over each picture.", persist_state="session")
    return pairs, order, overlay


def _by_finding(dataset: Dataset, pairs: list[Pair], place) -> list[Pair]:
    """The pairs that the chosen finding is about. The data set is checked when that is first asked for."""
    known = findings.audited(dataset).findings if findings.is_audited(dataset) else ()
    titles = {_short(item.sentence): item for item in known if item.pairs}
    options = [_ANY, _TROUBLE, _SOUND, *titles]
    if st.session_state.get("explore_finding", _ANY) not in options:  # it was about another data set, or is mended
        st.session_state["explore_finding"] = _ANY
    choice = place.selectbox(
        "Finding",
        options,
        key="explore_finding",
        help="Show only scenes that a finding is about. The data set is checked first where that was not done yet.",
        persist_state="session",
    )
    if choice == _ANY:
        return pairs
    if choice in titles:
        about = set(titles[choice].pairs)
    else:
        about = {name for item in findings.audited(dataset).findings if item.severity != "info" for name in item.pairs}
    return [pair for pair in pairs if (pair.name in about) != (choice == _SOUND)]


def _short(sentence: str) -> str:
    return sentence if len(sentence) <= _TITLE_LETTERS else sentence[:_TITLE_LETTERS].rsplit(" ", 1)[0] + " …"


def _open_scene(name: str) -> None:
    state.explore(name, tab=state.ONE_SCENE)


def _shares(dataset: Dataset, class_id: int) -> dict[str, float]:
    return {scene.name: scene.counts[class_id] / max(1, scene.counts[:-1].sum()) for scene in counts.of(dataset).scenes}


@st.cache_data(max_entries=64, show_spinner=False)
def _limits(_dataset: Dataset, digest: str) -> tuple[np.ndarray, np.ndarray] | None:
    """One stretch for all pictures of a data set that is no photograph, so that neighbours look alike; None where each needs its own."""
    samples, valids, kinds = [], [], set()
    for pair in spread(_dataset.pairs, _SAMPLED_SCENES):
        try:
            image = pair.image
            kinds.add((image.bands, image.dtype))
            if image.dtype == "uint8" or len(kinds) > 1:
                return None
            factor = max(1.0, max(image.shape) / _SAMPLED_PX)
            shape = tuple(max(1, round(side / factor)) for side in image.shape)
            pixels = image.read(bands=default_rgb(image), out_shape=shape)
            samples.append(pixels.reshape(-1, 1, pixels.shape[2]))
            valids.append(image.valid(out_shape=shape).reshape(-1, 1))
        except GroundlineError:  # the picture itself says what is wrong with it
            continue
    return stretch_limits(np.concatenate(samples), np.concatenate(valids), (1, 99)) if samples else None


@st.cache_data(max_entries=2000, show_spinner=False)
def _thumbnail(
    _pair: Pair, _scheme: ClassScheme, overlay: bool, _limits: tuple | None, key: tuple[str, ...], _colours: ClassScheme
) -> np.ndarray:
    image = _pair.image
    factor = max(1.0, max(image.shape) / _THUMB_PX)
    shape = (max(1, round(image.height / factor)), max(1, round(image.width / factor)))
    picture = display_rgb(image, out_shape=shape, limits=_limits)
    if overlay and _pair.mask is not None:
        window = image.window if _pair.shape == image.shape else _pair.mask.window
        ids = _pair.labels_at(_scheme, window, shape)
        mixed = (0.45 * picture + 0.55 * _colours.decode(ids)).astype(np.uint8)
        picture = np.where((ids < len(_scheme))[..., None], mixed, picture)
    # The browser blurs what it enlarges: small chips are enlarged here, pixel by pixel.
    times = -(-_THUMB_PX // max(shape))
    return picture.repeat(times, axis=0).repeat(times, axis=1) if times > 1 else picture
