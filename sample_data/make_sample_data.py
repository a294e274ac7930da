"""Writes the sample data: python sample_data/make_sample_data.py [SET ...] [--out FOLDER].

Everything is drawn by `core.data.synthetic` from fixed seeds; running it again gives the same files.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import rasterio
from rasterio.transform import from_origin

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from core.classes import DUBAI, ClassScheme  # noqa: E402
from core.data import synthetic  # noqa: E402
from core.files import replacing, write_json  # noqa: E402

TOWN_CRS = "EPSG:32640"  # UTM zone 40 north, the zone of Dubai
# name: look, seed, height, width, easting and northing of the upper left corner in metres
TOWN_SCENES = {
    "town_whole": ("town", 7, 2048, 2304, 325000, 2786000),
    "villas": ("villas", 3, 1024, 1024, 326200, 2786000),
    "lagoon": ("lagoon", 3, 896, 1024, 326200, 2785200),
    "harbour": ("harbour", 3, 896, 1024, 325000, 2784900),
    "desert": ("desert", 3, 896, 896, 325600, 2784900),
    "coast": ("coast", 3, 1024, 1024, 327000, 2786000),
}


def write_raster(path: Path, array: np.ndarray, *, crs: str, west: float, north: float, gsd_m: float, names: tuple[str, ...] = (), **options) -> None:
    """Write an array (h, w) or (h, w, bands) as a tiled GeoTIFF with its upper left corner at west, north."""
    bands = array[None] if array.ndim == 2 else np.moveaxis(array, 2, 0)
    path.parent.mkdir(parents=True, exist_ok=True)
    profile = {
        "driver": "GTiff", "count": bands.shape[0], "height": bands.shape[1], "width": bands.shape[2], "dtype": bands.dtype.name,
        "crs": crs, "transform": from_origin(west, north, gsd_m, gsd_m), **options,
    }
    with replacing(path, suffix=".tif") as temporary, rasterio.open(temporary, "w", **profile) as file:
        file.write(bands)
        for number, name in enumerate(names, 1):
            file.set_band_description(number, name)


def photo(quality: int = 85) -> dict:
    """Return the options of a JPEG-compressed RGB GeoTIFF."""
    return {"compress": "JPEG", "photometric": "YCBCR", "jpeg_quality": quality, "tiled": True, "blockxsize": 256, "blockysize": 256}


def lossless(**more) -> dict:
    """Return the options of a losslessly compressed GeoTIFF."""
    return {"compress": "DEFLATE", "zlevel": 9, **more}


TILED = {"tiled": True, "blockxsize": 256, "blockysize": 256}


def write_town(out: Path) -> None:
    """Write the town: RGB scenes and masks in Dubai's colours."""
    for name, (look, seed, height, width, west, north) in TOWN_SCENES.items():
        picture, ids = synthetic.make_town(seed, height, width, look=look)
        place = {"crs": TOWN_CRS, "west": west, "north": north, "gsd_m": synthetic.GSD_M}
        write_raster(out / "town/images" / f"{name}.tif", picture, **place, **photo())
        write_raster(out / "town/masks" / f"{name}.tif", DUBAI.decode(ids), **place, **lossless(photometric="RGB", **TILED))
    write_json(out / "town/classes.json", DUBAI.to_dict())


SETS: dict[str, Callable[[Path], None]] = {"town": write_town}


def main() -> None:
    """Write the sets named on the command line, or all."""
    parser = argparse.ArgumentParser(description="Write Groundline's sample data.")
    parser.add_argument("sets", nargs="*", choices=[*SETS, []], help="which sets; all when none is named")
    parser.add_argument("--out", type=Path, default=HERE, help="folder to write into")
    wanted = parser.parse_args()
    for name in wanted.sets or SETS:
        SETS[name](wanted.out)
        print(f"{name}: {sum(f.stat().st_size for f in (wanted.out / name).rglob('*') if f.is_file()) / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
