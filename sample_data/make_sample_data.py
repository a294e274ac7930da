"""Writes the sample data: python sample_data/make_sample_data.py [SET ...] [--out FOLDER].

Everything is drawn by `sample_data.drawing.scenes` from fixed seeds; running it again gives the same files.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import rasterio
from rasterio.transform import from_origin

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from core.classes import DUBAI  # noqa: E402
from core.files import replacing, write_json  # noqa: E402
from sample_data.drawing import scenes  # noqa: E402

TOWN_CRS = "EPSG:32640"  # UTM zone 40 north, the zone of Dubai
# name: look, seed, height, width, easting and northing of the upper left corner in metres
TOWN_SCENES = {
    "town_whole": ("town", 7, 2048, 2304, 325000, 2786000),
    "villas": ("villas", 3, 1024, 1024, 326200, 2786000),
    "gardens": ("gardens", 1, 1024, 1024, 326700, 2786000),
    "lagoon": ("lagoon", 5, 1024, 1024, 326200, 2785500),
    "creek": ("town", 21, 1024, 1024, 326700, 2785500),
    "harbour": ("harbour", 6, 1024, 1024, 325000, 2785000),
    "coast": ("coast", 3, 1024, 1024, 325500, 2785000),
    "desert": ("desert", 5, 1024, 1024, 326000, 2785000),
}


def write_raster(
    path: Path, array: np.ndarray, *, crs: str, west: float, north: float, gsd_m: float, names: tuple[str, ...] = (), **options
) -> None:
    """Write an array (h, w) or (h, w, bands) as a tiled GeoTIFF with its upper left corner at west, north."""
    bands = array[None] if array.ndim == 2 else np.moveaxis(array, 2, 0)
    path.parent.mkdir(parents=True, exist_ok=True)
    profile = {
        "driver": "GTiff",
        "count": bands.shape[0],
        "height": bands.shape[1],
        "width": bands.shape[2],
        "dtype": bands.dtype.name,
        "crs": crs,
        "transform": from_origin(west, north, gsd_m, gsd_m),
        **options,
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
        picture, ids = scenes.make_town(seed, height, width, look=look)
        place = {"crs": TOWN_CRS, "west": west, "north": north, "gsd_m": scenes.GSD_M}
        write_raster(out / "town/images" / f"{name}.tif", picture, **place, **photo())
        write_raster(out / "town/masks" / f"{name}.tif", DUBAI.decode(ids), **place, **lossless(photometric="RGB", **TILED))
    write_json(out / "town/classes.json", DUBAI.to_dict())


# name: seed, share of the land that is built on
TILES = {"hamlet": (2, 0.5), "fields": (9, 0.12), "suburb": (14, 0.8)}


def write_chips12(out: Path) -> None:
    """Write one landscape as 60 neighbouring chips of 12 bands, with labels as class ids in one band."""
    cube, ids = scenes.make_multispectral(4, 384, 640)
    size = 64
    for row in range(0, cube.shape[0], size):
        for column in range(0, cube.shape[1], size):
            part = (slice(row, row + size), slice(column, column + size))
            place = {"crs": "EPSG:32633", "west": 499000 + 10 * column, "north": 5610000 - 10 * row, "gsd_m": 10.0}
            name = f"chip_{row // size}_{column // size}.tif"
            # one band after the other and differences between neighbours: a third smaller than pixel by pixel
            write_raster(
                out / "chips12/images" / name,
                cube[part],
                **place,
                names=scenes.S2_BANDS,
                **lossless(predictor=2, interleave="band", blockysize=size),
            )
            write_raster(out / "chips12/masks" / name, ids[part], **place, **lossless(blockysize=size))
    write_json(out / "chips12/classes.json", scenes.CHIP_CLASSES.to_dict())


def write_landslides(out: Path) -> None:
    """Write 16 mountain chips as HDF5, `img` (128, 128, 14) and `mask` (128, 128) in files of their own."""
    for number in range(1, 17):
        stack, mask = scenes.make_landslides(100 + number)
        for folder, key, array in (("img", "img", stack), ("mask", "mask", mask)):
            path = out / "landslides" / folder / f"{'image' if key == 'img' else 'mask'}_{number}.h5"
            chunks = (*array.shape[:2], 1)[: array.ndim]
            with replacing(path) as temporary, h5py.File(temporary, "w", track_order=True) as file:
                file.create_dataset(key, data=array, chunks=chunks, compression="gzip", compression_opts=9, shuffle=True)
    write_json(out / "landslides/classes.json", scenes.LANDSLIDE_CLASSES.to_dict())


def write_landcover(out: Path) -> None:
    """Write one countryside scene in Poland's grid with a mask of the integers 0 to 4."""
    picture, ids = scenes.make_country(5, 1280, 1408, classes="landcover", housing=0.2)
    place = {"crs": "EPSG:2180", "west": 500000, "north": 480000, "gsd_m": 0.5}
    write_raster(out / "landcover/images/village.tif", picture, **place, **photo(80))
    write_raster(out / "landcover/masks/village.tif", ids, **place, **lossless(**TILED))
    write_json(out / "landcover/classes.json", scenes.LANDCOVER.to_dict())


def write_tiles1024(out: Path) -> None:
    """Write 1024 x 1024 scenes between village and suburb, with masks in the colours of six classes."""
    for number, (name, (seed, housing)) in enumerate(TILES.items()):
        picture, ids = scenes.make_country(seed, 1024, 1024, classes="rural", gsd_m=0.4, housing=housing)
        place = {"crs": "EPSG:32633", "west": 510000 + 1000 * number, "north": 5610000, "gsd_m": 0.4}
        write_raster(out / "tiles1024/images" / f"{name}.tif", picture, **place, **photo(80))
        write_raster(out / "tiles1024/masks" / f"{name}.tif", scenes.RURAL.decode(ids), **place, **lossless(photometric="RGB", **TILED))
    write_json(out / "tiles1024/classes.json", scenes.RURAL.to_dict())


SETS: dict[str, Callable[[Path], None]] = {
    "town": write_town,
    "chips12": write_chips12,
    "landslides": write_landslides,
    "landcover": write_landcover,
    "tiles1024": write_tiles1024,
}


def main() -> None:
    """Write the sets named on the command line, or all."""
    parser = argparse.ArgumentParser(description="Write Groundline's sample data.")
    parser.add_argument("sets", nargs="*", metavar="SET", help="which sets; all when none is named")
    parser.add_argument("--out", type=Path, default=HERE, help="folder to write into")
    wanted = parser.parse_args()
    unknown = set(wanted.sets) - set(SETS)
    if unknown:
        parser.error(f"unknown set {sorted(unknown)[0]}; the sets are {', '.join(SETS)}")
    for name in wanted.sets or SETS:
        SETS[name](wanted.out)
        print(f"{name}: {sum(f.stat().st_size for f in (wanted.out / name).rglob('*') if f.is_file()) / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
