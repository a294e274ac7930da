"""Where names do not tell images from masks: two patterns that say it, with the pairs that they make counted at once."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import pandas as pd
import streamlit as st

from core.datasets.pairing import Matches, match_folder
from core.datasets.remedies import Remedies, apply_remedy
from core.datasets.table_labels import fetch_labels
from core.digests import digest_of
from core.errors import DatasetError, SettingsError
from core.plain import in_markdown
from core.reading.postgis import FORM, is_address, read_address, refuse_password
from core.scenes.image_names import is_raster
from core.words import counted, sentence
from ui import frame, state, tables
from ui.allowed import changing, refuse_if_read_only, shared
from ui.kept import keep

_ASKED = "explore_naming"
_MOST_FOLDERS = 40
_SHOWN_PAIRS = 5


def ask_for(root: Path, why: str) -> None:
    """Show the form for this folder from the next run on; `why` says what was not understood."""
    st.session_state[_ASKED] = (root, why)


def asked() -> tuple[Path, str] | None:
    """The folder whose files are to be named, and why; None when there is none."""
    return st.session_state.get(_ASKED)


def can_name(root: Path) -> bool:
    """Whether there are rasters in the folder that could be named."""
    return root.is_dir() and not _folders(str(root), root.stat().st_mtime_ns).empty


def name_files(root: Path, why: str) -> None:
    """The folders with their rasters, two patterns, the pairs they make, and a button that writes them beside the data."""
    with st.container(border=True):
        st.subheader("Which files are images, and which are masks?", anchor=False)
        st.warning(f"{in_markdown(why)}. Say which are which.", icon=":material/rule_folder:")
        tables.show(_folders(str(root), root.stat().st_mtime_ns), hide_index=True)
        left, right = st.columns(2)
        images = left.text_input(
            "Images", key="explore_name_images", placeholder="**/*_rgb.tif", help="A pattern of files below the folder, or a folder in it."
        )
        masks = right.text_input(
            "Masks",
            key="explore_name_masks",
            placeholder="**/*_label.tif",
            help=f"A pattern of files below the folder, or a folder in it. Or labels in PostGIS: `{FORM}`.",
        )
        pairs = _tell(root, images.strip(), masks.strip())
        with st.container(horizontal=True):
            if st.button("Use these", key="explore_name_use", type="primary", icon=":material/check:", **changing(disabled=pairs == 0)):
                with frame.errors() as outcome:
                    _use(root, images.strip(), masks.strip())
                if not outcome.failed:
                    st.session_state.pop(_ASKED, None)
                    state.select(dataset=root)
                    st.rerun()
            first = _first_raster(str(root), root.stat().st_mtime_ns)
            hint = "Paint strokes on an image: they become masks to train on."
            if first and st.button("There are no masks: label an image", icon=":material/brush:", key="explore_name_label", help=hint):
                state.label_scene(first)
                st.switch_page(frame.PAGES["label"][0])
            if asked() is not None and st.button("Cancel", key="explore_name_cancel"):
                st.session_state.pop(_ASKED, None)
                st.rerun()
        st.caption("The patterns are written to groundline.json in that folder, and can be taken back under Findings.")


def _use(root: Path, images: str, masks: str) -> None:
    """Keep the patterns beside the data, and fetch labels that lie in a table: the data set then has a file of them like any other."""
    refuse_if_read_only()
    if is_address(masks):
        address = read_address(masks)
        if shared():
            raise SettingsError(
                "labels in PostGIS, and others use this dashboard over the network: this machine would connect to databases for them",
                expected="a dashboard that answers on its own machine alone",
                do="Fetch them on the command line, with --masks, or give them as a file",
            )
        refuse_password([masks])
        keep("labels", digest_of(os.urandom(8)), lambda tell: fetch_labels(address, root, on_progress=tell), words="Fetching", most=1)
        masks = ""
    if images or masks:
        apply_remedy(root, Remedies(images=images, masks=masks))


def _tell(root: Path, images: str, masks: str) -> int:
    """Say what the patterns find; the number of pairs, 0 while nothing is typed, 1 for a table, which nobody asks before it is used."""
    if is_address(masks):
        st.markdown("The labels are fetched into the folder, as a GeoPackage. The password comes from `~/.pgpass` or PGPASSWORD.")
        return 1
    if not images and not masks:
        st.markdown("Type a pattern, such as `**/*_rgb.tif`, or the name of a folder. `**/` stands for any folders.")
        return 0
    try:
        found = match_folder(root, images=images, masks=masks)
    except DatasetError as error:
        st.markdown(f":orange[{in_markdown(sentence(error))}]")
        return 0
    colour = "green" if found.matches else "orange"
    st.markdown(
        f":{colour}[**{counted(len(found.matches), 'pair')}**] from {counted(found.images, 'image')} and {counted(found.masks, 'mask')}"
    )
    if found.matches:
        st.code("\n".join(_pair_lines(root, found)), language=None)
    return len(found.matches)


def _pair_lines(root: Path, found: Matches) -> list[str]:
    lines = [
        f"{match.image.relative_to(root).as_posix()}  +  {', '.join(mask.relative_to(root).as_posix() for mask in match.masks)}"
        for match in found.matches[:_SHOWN_PAIRS]
    ]
    more = len(found.matches) - len(lines)
    return [*lines, f"and {more} more"] if more else lines


@st.cache_data(max_entries=8, show_spinner=False)
def _folders(root: str, stamp: int) -> pd.DataFrame:
    """Folders with rasters: how many, and one of them."""
    count: Counter[str] = Counter()
    example: dict[str, str] = {}
    for path in sorted(Path(root).rglob("*")):
        if is_raster(path) and not path.name.startswith("."):
            folder = path.parent.relative_to(root).as_posix()
            count[folder] += 1
            example.setdefault(folder, path.name)
    rows = [(folder, number, example[folder]) for folder, number in list(count.items())[:_MOST_FOLDERS]]
    return pd.DataFrame(rows, columns=["folder", "rasters", "for example"])


@st.cache_data(max_entries=8, show_spinner=False)
def _first_raster(root: str, stamp: int) -> Path | None:
    return next((path for path in sorted(Path(root).rglob("*")) if is_raster(path) and not path.name.startswith(".")), None)
