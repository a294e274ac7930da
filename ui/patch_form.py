"""The form of the cut into patches: one for Explore and Train, which share its words and its values."""

from __future__ import annotations

from typing import Any

import streamlit as st

from core.datasets.datasets import Dataset
from core.datasets.masks.sampling import spread
from core.patches.labelled import NotLabelled, not_labelled
from core.patches.settings import RIMS, SAME_GROUND, SPLITS, PrepareSettings
from core.plain import in_markdown
from ui.input import KEEP

_USUAL = PrepareSettings()
_SIZES = (32, 64, 96, 128, 192, 256)
_SPLITS = {"group": "By tile or scene", "block": "By blocks", "random": "By patch"}
_RIMS = {"fill": "Filled up", "crop": "Cropped"}
_GROUND = {"join": "Kept together", "apart": "Not looked for"}
_BY = ("Shares", "Counts")
_QUICK = (4, 3, 2)
_FEW_BANDS = 3
_CELL, _WIDE_CELL = 118, 160  # pixels
_OF, _VALUES, _DRAWN = "patch_of", "patch_values", "patch_drawn"
_SIZE, _STRIDE = "patch_size", "patch_stride"
_LABELLED, _WITHOUT, _BANDS = "patch_labelled", "patch_without", "patch_bands"
_SPLIT, _HOLD, _PARTS = "patch_split", "patch_hold", "patch_parts"
_VALIDATION, _TEST = "patch_validation", "patch_test"
_COUNTS = {"patch_count_train": "Training", "patch_count_validation": "Validation", "patch_count_test": "Test"}
_SCALE, _RIM, _SEED, _TWICE = "patch_scale", "patch_rim", "patch_seed", "patch_same_ground"


def form(dataset: Dataset, *, wide: bool) -> PrepareSettings:
    """The fields, in one column or, where the page is `wide`, beside each other; what they say. Raises SettingsError."""
    values, without = _begin(dataset), _by_itself(dataset)
    _show(values, "wide" if wide else "narrow")
    if wide:
        *grid, classes = st.columns([1, 1, 1, 3], vertical_alignment="bottom")
        split, bands = st.columns(2, gap="medium", vertical_alignment="bottom")
    else:
        grid = st.columns(3, vertical_alignment="bottom")
        classes, bands, split = st.container(), st.container(), st.container()
    values |= _grid(grid)
    with classes:
        values |= _labelling(dataset, without)
    many = dataset.pairs[0].image.bands > _FEW_BANDS
    if many:
        with bands:
            values |= _bands(dataset)
    with split:
        values |= _split()
    with st.expander("More: parts, scale, rim" if many else "More: parts, scale, rim, bands"):
        values |= _more(dataset, held=bool(values[_HOLD]))
        if not many:
            values |= _bands(dataset)
    return settings(dataset)


def settings(dataset: Dataset) -> PrepareSettings:
    """What the form says, whether it is drawn or not. Raises SettingsError."""
    values = _begin(dataset)
    by_counts = values[_PARTS] == _BY[1]
    return PrepareSettings(
        patch_size=int(values[_SIZE]),
        stride=int(values[_STRIDE]),
        min_labelled=values[_LABELLED] / 100,
        split=values[_SPLIT],
        validation=None if by_counts else values[_VALIDATION] / 100,
        test=None if by_counts else values[_TEST] / 100,
        hold_out=tuple(values[_HOLD]),
        seed=int(values[_SEED]),
        scale=float(values[_SCALE]),
        bands=tuple(values[_BANDS]) or None,
        not_labelled=tuple(values[_WITHOUT]),
        counts=tuple(int(values[key]) for key in _COUNTS) if by_counts else None,
        rim=values[_RIM],
        same_ground=values[_TWICE],
    )


def request(dataset: Dataset) -> dict[str, Any]:
    """What the form says, as a request to prepare the data set. Raises SettingsError."""
    return {"dataset": dataset.root, **settings(dataset).to_request()}


def propose(dataset: Dataset, *, patch_size: int, scale: float) -> None:
    """Put patches into the form as a network takes them that is to go on: its scale, and its patches where two lie beside each other."""
    values = _begin(dataset)
    shortest = scale * min((min(pair.image.shape) for pair in spread(dataset.pairs)), default=patch_size)
    size = max((one for one in (*_SIZES, patch_size) if one <= patch_size and 2 * one <= shortest), default=_SIZES[0])
    values |= {_SIZE: size, _STRIDE: size // 2, _SCALE: scale}
    st.session_state[_DRAWN] = None


def _begin(dataset: Dataset) -> dict[str, Any]:
    """The values of the fields by their keys; those of another data set are replaced by ones that fit this."""
    of = (str(dataset.root), dataset.scheme.names, dataset.groups)
    if st.session_state.get(_OF) != of:
        smallest = min((min(pair.image.shape) for pair in spread(dataset.pairs)), default=_USUAL.patch_size)
        size = max((size for size in _SIZES if size <= smallest), default=_SIZES[0])
        without = not_labelled(dataset, None, patch_size=size).ids
        st.session_state[_VALUES] = {
            _SIZE: size,
            _STRIDE: size,
            _LABELLED: round(100 * _USUAL.min_labelled),
            _WITHOUT: [dataset.scheme.names[k] for k in without],
            _BANDS: [],
            _SPLIT: "group" if len(dataset.groups) > 1 else "block",
            _HOLD: [],
            _PARTS: _BY[0],
            _VALIDATION: round(100 * _USUAL.shares[0]),
            _TEST: round(100 * _USUAL.shares[1]),
            **dict(zip(_COUNTS, (400, 100, 30), strict=True)),
            _SCALE: _USUAL.scale,
            _RIM: _USUAL.rim,
            _TWICE: _USUAL.same_ground,
            _SEED: _USUAL.seed,
        }
        st.session_state[_OF], st.session_state[_DRAWN] = of, None
    return st.session_state[_VALUES]


def _show(values: dict[str, Any], where: str) -> None:
    """Put the values into the fields where they come from another page or data set: a field's own memory is its page's."""
    for key, value in values.items():
        if st.session_state[_DRAWN] != where or key not in st.session_state:
            st.session_state[key] = value
    st.session_state[_DRAWN] = where


def _by_itself(dataset: Dataset) -> NotLabelled:
    """Which classes do not count as labelled while nobody says so, and what is to be asked about that."""
    values = st.session_state[_VALUES]
    return not_labelled(dataset, None, patch_size=int(values[_SIZE]), scale=float(values[_SCALE]))


def _grid(columns: list) -> dict[str, Any]:
    first, second, third = columns
    size = first.number_input("Patch size, px", 8, 8192, step=32, key=_SIZE, on_change=_follow, help="Side of the square patches.", **KEEP)
    stride = second.number_input(
        "Stride, px",
        1,
        int(size),
        step=16,
        key=_STRIDE,
        help="From patch to patch. The patch size puts them side by side; less makes them overlap, and more of them.",
        **KEEP,
    )
    labelled = third.number_input(
        "Labelled, %", 0, 100, step=5, key=_LABELLED, help="Patches of which less is labelled are left out.", **KEEP
    )
    return {_SIZE: size, _STRIDE: stride, _LABELLED: labelled}


def _follow() -> None:
    """Patches that lay side by side still do with another size, and none is further from the next than its size."""
    size, before = st.session_state[_SIZE], st.session_state[_VALUES]
    if before[_STRIDE] == before[_SIZE] or before[_STRIDE] > size:
        st.session_state[_STRIDE] = size


def _labelling(dataset: Dataset, without: NotLabelled) -> dict[str, Any]:
    picked = st.multiselect(
        "Not counted as labelled",
        dataset.scheme.names,
        key=_WITHOUT,
        placeholder="All classes count",
        help="Background, say: a patch that shows little else is left out. The class is learned all the same.",
        **KEEP,
    )
    if without.question:
        st.caption(f":material/help: {in_markdown(without.question)} Take it out above to count it.")
    return {_WITHOUT: picked}


def _bands(dataset: Dataset) -> dict[str, Any]:
    image = dataset.pairs[0].image
    if image.bands < 2:
        return {}
    with st.container(horizontal=True, vertical_alignment="bottom"):
        picked = st.multiselect(
            "Bands",
            range(1, image.bands + 1),
            format_func=lambda band: band_title(image.band_names, band),
            key=_BANDS,
            placeholder=f"All {image.bands} bands",
            help="Those that the network sees, in this order.",
            **KEEP,
        )
        if image.bands >= max(_QUICK):
            quick = ", ".join(str(band) for band in _QUICK)
            st.button(quick, key="patch_bands_quick", on_click=_take_bands, args=(_QUICK,), help="Often red, green and blue.")
            st.button("All", key="patch_bands_all", on_click=_take_bands, args=((),), help="All bands in the order of the file.")
    return {_BANDS: picked}


def _take_bands(bands: tuple[int, ...]) -> None:
    st.session_state[_BANDS] = list(bands)


def band_title(names: tuple[str, ...] | None, band: int) -> str:
    """ "4 · Red", or the number alone where the file names none."""
    return f"{band} · {names[band - 1]}" if names and names[band - 1] else str(band)


def _split() -> dict[str, Any]:
    how = st.segmented_control(
        "Split into training, validation and test",
        SPLITS,
        format_func=_SPLITS.get,
        key=_SPLIT,
        required=True,
        help="By tile keeps whole places apart and is the honest one. By blocks cuts each image into areas. "
        "By patch is how many tutorials do it; with overlap, validation then sees training pixels.",
        **KEEP,
    )
    return {_SPLIT: how}


def _more(dataset: Dataset, *, held: bool) -> dict[str, Any]:
    with st.container(horizontal=True, vertical_alignment="bottom"):  # as many in a row as there is room for
        found = _parts(held=held) | _rest()
    found[_HOLD] = st.multiselect(
        "Tiles or scenes for the test",
        sorted(dataset.groups),
        key=_HOLD,
        help="These are neither trained nor validated on.",
        placeholder="None",
        **KEEP,
    )
    return found


def _parts(*, held: bool) -> dict[str, Any]:
    by = st.selectbox("Parts by", _BY, key=_PARTS, width=_CELL, help="Shares of the patches, or numbers of them.", **KEEP)
    if by == _BY[1]:
        counts = {key: _number(label, key, 10_000_000, 10, "Patches; those beyond are left out.") for key, label in _COUNTS.items()}
        return {_PARTS: by, **counts}
    help_ = "The tiles below are the test." if held else "Share of the patches."
    return {
        _PARTS: by,
        _VALIDATION: _number("Validation, %", _VALIDATION, 99, 5, "Share of the patches."),
        _TEST: _number("Test, %", _TEST, 99, 5, help_, disabled=held),
    }


def _number(label: str, key: str, most: int, step: int, words: str, *, disabled: bool = False) -> int:
    return int(st.number_input(label, 0, most, step=step, key=key, width=_CELL, disabled=disabled, help=words, **KEEP))


def _rest() -> dict[str, Any]:
    scale = st.number_input(
        "Scale",
        0.01,
        16.0,
        step=0.05,
        format="%g",
        key=_SCALE,
        width=_CELL,
        help="Scenes are resized by it first. 0.5 halves the sides: the network sees more ground in a patch, and less detail.",
        **KEEP,
    )
    rim = st.selectbox(
        "Rim of scenes",
        RIMS,
        format_func=_RIMS.get,
        key=_RIM,
        width=_CELL,
        help="Filled up: the last patch of a row is moved inwards, and small scenes are mirrored, so that nothing is lost. "
        "Cropped: what whole patches leave over is cut off, as many tutorials do.",
        **KEEP,
    )
    twice = st.selectbox(
        "Same ground twice",
        SAME_GROUND,
        format_func=_GROUND.get,
        key=_TWICE,
        width=_WIDE_CELL,
        help="Tiles that show the same ground, at another date say, are kept in one part when the split is by tile: else what is "
        "tested was trained on. The findings name them.",
        **KEEP,
    )
    return {_TWICE: twice, _SCALE: scale, _RIM: rim, _SEED: _number("Seed", _SEED, 9999, 1, "The same seed gives the same split.")}
