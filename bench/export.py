"""Layers to files: ours against `GeoDataFrame.to_file` of GeoPandas, in turn within one run.

    python bench/export.py [--size 1024] [--repeat 3]

Ours reads each file again and compares it with what was meant before it takes its place, and writes styles and metadata besides; GeoPandas
writes and is done. `read again` is GeoPandas with a reading of its file, which makes sure of the count alone. Processor seconds, least of
the repeats; the layer is that of the noisy labels of `bench/vectorize.py` without specks.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import geopandas as gpd  # noqa: E402
from affine import Affine  # noqa: E402
from pyproj import CRS  # noqa: E402

from bench.records import keep  # noqa: E402
from bench.vectorize import make_raster  # noqa: E402
from core.geo import GeoRef  # noqa: E402
from core.vector.formats.export import export  # noqa: E402
from core.vector.formats.products import PRODUCTS  # noqa: E402
from core.vector.vectorize import vectorize  # noqa: E402

LONLAT = "EPSG:4326"


def geojson(frame: gpd.GeoDataFrame, path: Path) -> None:
    """GeoJSON has to be in longitude and latitude."""
    frame.to_crs(LONLAT).to_file(path, driver="GeoJSON")


def kml(frame: gpd.GeoDataFrame, path: Path) -> None:
    """So has KML."""
    frame.to_crs(LONLAT).to_file(path, driver="KML")


WAYS = {
    ".gpkg": lambda frame, path: frame.to_file(path, driver="GPKG"),
    ".shp": lambda frame, path: frame.to_file(path),
    ".geojson": geojson,
    ".kml": kml,
    ".fgb": lambda frame, path: frame.to_file(path, driver="FlatGeobuf"),
    ".parquet": lambda frame, path: frame.to_parquet(path),
}


def read_again(path: Path, count: int) -> None:
    """Read a file with GeoPandas and count what is in it."""
    frame = gpd.read_parquet(path) if path.suffix == ".parquet" else gpd.read_file(path)
    if len(frame) != count:
        raise SystemExit(f"{path.name} holds {len(frame)} polygons instead of {count}")


def seconds(work) -> float:
    """Processor seconds of some work."""
    began = time.process_time()
    work()
    return time.process_time() - began


def main() -> None:
    """Print a line for each format."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=1024)
    parser.add_argument("--repeat", type=int, default=3)
    asked = parser.parse_args()
    geo = GeoRef(Affine(0.3, 0, 325000, 0, -0.3, 2784000), CRS.from_epsg(32640))
    layer = vectorize(make_raster(asked.size, "noisy"), geo=geo, min_area="4px", simplify="1px").layer
    frame, count = layer.frame, len(layer.frame)
    print(f"{count:,} polygons, processor seconds, least of {asked.repeat}")
    print(f"{'format':14} {'ours':>6} {'GeoPandas':>10} {'read again':>11}")
    with tempfile.TemporaryDirectory() as folder:
        for suffix, usual in WAYS.items():
            mine, theirs, again = [], [], []
            for number in range(asked.repeat + 1):  # the first time imports
                paths = [Path(folder) / f"{side}{number}{suffix}" for side in ("ours", "theirs")]
                mine.append(seconds(lambda path=paths[0]: export(layer, path)))
                theirs.append(seconds(lambda path=paths[1], usual=usual: usual(frame, path)))
                again.append(seconds(lambda path=paths[1]: read_again(path, count)))
            ours, other, checked = min(mine[1:]), min(theirs[1:]), min(theirs[1:]) + min(again[1:])
            title = PRODUCTS[suffix].title
            print(f"{title:14} {ours:6.2f} {other:10.2f} {checked:11.2f}", flush=True)
            what = f"{title} of {count:,} polygons"
            keep(what, "processor s", ours, "GeoPandas", other, key="written")
            keep(f"{what}, read again", "processor s", ours, "GeoPandas", checked, key="read again")


if __name__ == "__main__":
    main()
