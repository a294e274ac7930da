"""What images, and folders of them, are called."""

from __future__ import annotations

from pathlib import Path

RASTER_SUFFIXES = (
    *(".tif", ".tiff", ".png", ".jpg", ".jpeg", ".jp2", ".j2k", ".bmp", ".webp", ".gif", ".img", ".vrt"),
    *(".asc", ".bil", ".bip", ".bsq", ".ers", ".mrf", ".ntf", ".ppm", ".pgm", ".tga", ".sdat"),
)
"""Files that GDAL opens as one image; what looks through a folder for images takes these and, where it can, the next."""
ARRAY_SUFFIXES = (".npy",)
_ENVI_SUFFIXES = ("", ".dat", ".raw", ".bin")
"""What ENVI files are called besides; only with a header beside them are they taken for images."""
HDF5_SUFFIXES = (".h5", ".hdf5", ".hdf", ".he5")
IMAGE_FOLDERS = ("images", "image", "imgs", "img", "chips")
"""Folders that are called after what is in them, not after the place that they show."""


def is_raster(path: Path) -> bool:
    """Whether a file's name says that it is an image: by its ending, or by an ENVI header beside it."""
    suffix = path.suffix.lower()
    if suffix in (*RASTER_SUFFIXES, *HDF5_SUFFIXES, *ARRAY_SUFFIXES):
        return True
    return suffix in _ENVI_SUFFIXES and (path.with_suffix(".hdr").is_file() or path.with_name(f"{path.name}.hdr").is_file())


def place_name(path: Path) -> str:
    """What people call a scene: its file without the ending, or its folder; `Tile 2` for the chips in `Tile 2/images`."""
    if path.name.lower() in IMAGE_FOLDERS:
        return path.parent.name
    return path.name if path.is_dir() else path.stem
