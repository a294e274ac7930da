"""Patches as pairs of image and mask files, the way that tutorials keep them, in a folder or a zip."""

from __future__ import annotations

import io
import os
import warnings
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import rasterio
from PIL import Image
from rasterio.errors import NotGeoreferencedWarning

from core.errors import SettingsError
from core.files import dump_json, refuse_foreign_folder, replacing, replacing_folder
from core.patches.parts import PARTS
from core.patches.store import PatchStore
from core.progress import OnProgress, ShouldStop, check, report


def export_patches(
    store: PatchStore,
    out: str | os.PathLike,
    *,
    parts: Sequence[str] = PARTS,
    colour_masks: bool = True,
    on_progress: OnProgress | None = None,
    should_stop: ShouldStop | None = None,
) -> Path:
    """Write patches as PART/images/NAME and PART/masks/NAME, with a classes.json, to a folder or to OUT.zip.

    Images are PNG where they have one or three bands of uint8, else TIFF. Masks are PNG: colours of the classes, or
    the ids in one band (255 not labelled). The result opens as a data set again. An older folder of the same name is
    replaced only when it was written by this function. Raises SettingsError for a folder that holds other things.
    """
    out = Path(out)
    unknown = [part for part in parts if part not in PARTS]
    if unknown:
        raise SettingsError(f"part {unknown[0]!r}", expected="train, validation or test", do="Choose one of them")
    if out.suffix.lower() == ".zip":
        with replacing(out) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED) as archive:
            _write(store, archive.writestr, parts, colour_masks, on_progress, should_stop)
        return out
    refuse_foreign_folder(out, "classes.json", "a new folder")

    with replacing_folder(out) as folder:

        def write(name: str, content: bytes | str) -> None:
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.encode() if isinstance(content, str) else content)

        _write(store, write, parts, colour_masks, on_progress, should_stop)
    return out


def _write(
    store: PatchStore,
    write: Callable[[str, bytes | str], None],
    parts: Sequence[str],
    colour_masks: bool,
    on_progress: OnProgress | None,
    should_stop: ShouldStop | None,
) -> None:
    write("classes.json", dump_json(store.scheme.to_dict(), indent=2))
    rows = [int(i) for part in parts for i in store.rows(part)]
    picture = store.dtype == "uint8" and len(store.bands) in (1, 3)
    for done, i in enumerate(rows):
        check(should_stop)
        report(on_progress, done, len(rows), "Writing patches")
        place = store.index[i]
        name = f"{place['pair'].replace('/', '_')}_{place['row']:05d}_{place['col']:05d}"
        image, ids = np.asarray(store.images[i]), np.asarray(store.masks[i])
        content = _png(image[..., 0] if image.shape[2] == 1 else image) if picture else _tiff(image)
        write(f"{place['part']}/images/{name}.{'png' if picture else 'tif'}", content)
        write(f"{place['part']}/masks/{name}.png", _png(store.scheme.decode(ids) if colour_masks else ids))


def _png(pixels: np.ndarray) -> bytes:
    memory = io.BytesIO()
    Image.fromarray(pixels).save(memory, format="PNG", compress_level=3)
    return memory.getvalue()


def _tiff(pixels: np.ndarray) -> bytes:
    height, width, bands = pixels.shape
    with rasterio.MemoryFile() as memory:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NotGeoreferencedWarning)
            with memory.open(driver="GTiff", height=height, width=width, count=bands, dtype=pixels.dtype, compress="deflate") as file:
                file.write(pixels.transpose(2, 0, 1))
        return bytes(memory.getbuffer())
