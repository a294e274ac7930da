"""Label raster to polygons: ours against the usual way, as ratios from one run.

    python bench/vectorize.py [--size 4096] [--repeat 3] [--scaling] [--others] [--files] [--checkerboard] [--squares]

The usual way is rasterio.features.shapes, GeoDataFrame.from_features and .simplify. Ours ends with attributes and a checked coverage, the
usual way with bare polygons that overlap and leave gaps. Each way runs in a process of its own that reads the raster from a file, so that
its memory is its own; times are processor seconds, medians of the repeats after one warming run on a small raster.

--others adds bare tracing (exact outlines built in one call, nothing simplified or measured): GDAL's polygonize, through
rasterio.features.shapes and through its own bindings, and xarray-spatial. --files adds the way from a raster to simplified polygons in a
GeoPackage: ours, and GDAL's polygonize with geofileops' simplify. Both make environments for peers that this one lacks (bench/peers.py).
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import psutil

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from bench.peers import PeerMissing, python_of  # noqa: E402
from bench.records import keep  # noqa: E402

CLASSES = 6
BLUR_PX = {"noisy": 3, "smooth": 16}
"""Radius of the box blur, run three times, of the random fields whose largest one is the class."""


def _blur(field: np.ndarray, radius: int) -> np.ndarray:
    """Box blur along both axes, with wrapped ends, by running sums."""
    for axis in (0, 1, 0, 1, 0, 1):
        padded = np.concatenate([np.take(field, range(-radius - 1, 0), axis), field, np.take(field, range(radius), axis)], axis)
        sums = np.cumsum(padded, axis, dtype=np.float64)
        wide = 2 * radius + 1
        high, low = np.take(sums, range(wide, sums.shape[axis]), axis), np.take(sums, range(sums.shape[axis] - wide), axis)
        field = ((high - low) / wide).astype(np.float32)
    return field


def make_raster(size: int, kind: str, *, seed: int = 0) -> np.ndarray:
    """Class ids uint8 (size, size): the largest of six blurred random fields; the noisy kind has single pixels flipped besides."""
    rng = np.random.default_rng(seed)
    best = np.full((size, size), -np.inf, np.float32)
    ids = np.zeros((size, size), np.uint8)
    for class_id in range(CLASSES):
        field = _blur(rng.standard_normal((size, size), dtype=np.float32), BLUR_PX[kind])
        ids[field > best] = class_id
        np.maximum(best, field, out=best)
    if kind == "noisy":
        flipped = rng.random((size, size), dtype=np.float32) < 0.015
        ids[flipped] = rng.integers(0, CLASSES, int(flipped.sum()), dtype=np.uint8)
    return ids


def ours(ids: np.ndarray, geo, min_area: str) -> int:
    """Our way, all included."""
    from core.vector.vectorize import vectorize

    return len(vectorize(ids, geo=geo, min_area=min_area, simplify="1px").layer.frame)


def usual(ids: np.ndarray, geo, min_area: str) -> int:
    """The usual way: features one by one, each polygon simplified alone; specks are sieved first when there is a minimum area."""
    import geopandas as gpd
    from rasterio.features import shapes, sieve

    if min_area != "0":
        ids = sieve(ids, int(min_area.rstrip("px")), connectivity=4)
    features = [
        {"type": "Feature", "properties": {"class_id": int(value)}, "geometry": shape}
        for shape, value in shapes(ids, connectivity=4, transform=geo.transform)
    ]
    frame = gpd.GeoDataFrame.from_features(features, crs=geo.crs)
    frame["geometry"] = frame.geometry.simplify(geo.transform.a)
    return len(frame)


def traced(ids: np.ndarray, geo, min_area: str) -> int:
    """Our way up to exact polygons, for the comparison with tracing alone."""
    from core.vector.tracing.arcs import trace_arcs
    from core.vector.tracing.polygons import build_polygons, build_rings, transformed

    arcs = trace_arcs(lambda r0, r1: ids[r0:r1], *ids.shape)
    rings = build_rings(arcs, arcs.xy, arcs.offsets, np.ones(arcs.regions.classes.size, bool))
    return len(build_polygons(rings, transformed(rings.xy, geo.transform)))


def gdal(ids: np.ndarray, geo, min_area: str) -> int:
    """GDAL's polygonize through rasterio, with all polygons built in one vectorised call."""
    import shapely
    from rasterio.features import shapes

    rings = [shape["coordinates"] for shape, _ in shapes(ids, connectivity=4, transform=geo.transform)]
    counts = np.array([len(ring) for polygon in rings for ring in polygon])
    points = np.array([point for polygon in rings for ring in polygon for point in ring])
    parts = np.cumsum([0] + [len(polygon) for polygon in rings])
    return len(shapely.from_ragged_array(shapely.GeometryType.POLYGON, points, (np.append(0, np.cumsum(counts)), parts)))


def osgeo(ids: np.ndarray, geo, min_area: str) -> int:
    """GDAL's polygonize by its own bindings, into a layer in memory."""
    from osgeo import gdal, ogr

    gdal.UseExceptions()
    source = ogr.GetDriverByName("MEM").CreateDataSource("")  # a layer does not keep its source alive
    return polygonized(ids, geo, source.CreateLayer("out"))


def polygonized(ids: np.ndarray, geo, layer) -> int:
    """Trace a raster into a layer of GDAL."""
    from osgeo import gdal, gdal_array, ogr

    layer.CreateField(ogr.FieldDefn("class_id", ogr.OFTInteger))
    raster = gdal_array.OpenArray(ids)
    raster.SetGeoTransform(geo.transform.to_gdal())
    gdal.Polygonize(raster.GetRasterBand(1), None, layer, 0)
    return layer.GetFeatureCount()


def geofileops(ids: np.ndarray, geo, min_area: str) -> int:
    """GDAL's polygonize into a GeoPackage, and geofileops' simplify into another."""
    import geofileops as gfo
    from osgeo import ogr, osr

    with tempfile.TemporaryDirectory() as folder:
        exact, simple = Path(folder) / "exact.gpkg", Path(folder) / "simple.gpkg"
        place = osr.SpatialReference()
        place.ImportFromEPSG(geo.crs.to_epsg())
        source = ogr.GetDriverByName("GPKG").CreateDataSource(str(exact))
        layer = source.CreateLayer("exact", place, ogr.wkbPolygon)
        layer.StartTransaction()
        count = polygonized(ids, geo, layer)
        layer.CommitTransaction()
        del layer, source  # closes the file
        gfo.simplify(exact, simple, tolerance=geo.transform.a)
    return count


def ours_as_file(ids: np.ndarray, geo, min_area: str) -> int:
    """Our way with a GeoPackage at its end."""
    from core.vector.formats.export import export
    from core.vector.vectorize import vectorize

    with tempfile.TemporaryDirectory() as folder:
        layer = vectorize(ids, geo=geo, min_area=min_area, simplify="1px").layer
        export(layer, Path(folder) / "out.gpkg")
    return len(layer.frame)


def xrspatial(ids: np.ndarray, geo, min_area: str) -> int:
    """xarray-spatial's polygonize."""
    import xarray
    from xrspatial.experimental import polygonize

    return len(polygonize(xarray.DataArray(ids.astype(np.int32)), return_type="geopandas"))


def squared(ids: np.ndarray, geo, min_area: str) -> int:
    """Our way with right angles for one of the classes."""
    from core.vector.vectorize import vectorize

    return len(vectorize(ids, geo=geo, min_area=min_area, simplify="1px", regularize=[0]).layer.frame)


WAYS = {
    "ours": ours,
    "usual": usual,
    "traced": traced,
    "gdal": gdal,
    "osgeo": osgeo,
    "xrspatial": xrspatial,
    "squared": squared,
    "ours as a file": ours_as_file,
    "geofileops": geofileops,
}
OURS = {"ours", "traced", "squared", "ours as a file"}
IN_THE_ENVIRONMENT_OF = {"osgeo": "gdal", "xrspatial": "xarray-spatial", "geofileops": "geofileops"}


def used() -> float:
    """Processor seconds of this process and of those that it started and that have ended."""
    others = os.times()
    return time.process_time() + others.children_user + others.children_system


def measure(way: str, raster: str, min_area: str, repeat: int) -> dict:
    """Processor seconds (median), extra memory in MiB and polygons of one way; runs in this process."""
    from affine import Affine
    from pyproj import CRS

    place = SimpleNamespace(transform=Affine(0.3, 0, 325000, 0, -0.3, 2784000), crs=CRS.from_epsg(32640))
    if way in OURS:
        from core.geo import GeoRef

        geo = GeoRef(place.transform, place.crs)
    else:
        geo = place  # an environment of a peer may lack what our library needs
    function = WAYS[way]
    ids = np.load(raster)
    function(np.ascontiguousarray(ids[:256, :256]), geo, min_area)
    process, stopped = psutil.Process(), threading.Event()
    before = peak = process.memory_info().rss

    def watch() -> None:
        nonlocal peak
        while not stopped.wait(0.01):
            peak = max(peak, process.memory_info().rss)

    watcher = threading.Thread(target=watch)
    watcher.start()
    seconds, polygons = [], 0
    for _ in range(repeat):
        began = used()
        polygons = function(ids, geo, min_area)
        seconds.append(used() - began)
    stopped.set()
    watcher.join()
    return {"seconds": statistics.median(seconds), "extra_mib": (peak - before) / 2**20, "polygons": polygons}


def in_own_process(way: str, ids: np.ndarray, min_area: str, repeat: int) -> dict:
    """`measure` in a fresh process, in the environment of the peer if the way is one's. Raises PeerMissing."""
    python = python_of(IN_THE_ENVIRONMENT_OF[way]) if way in IN_THE_ENVIRONMENT_OF else sys.executable
    with tempfile.TemporaryDirectory() as folder:
        np.save(Path(folder) / "ids.npy", ids)
        request = json.dumps([way, str(Path(folder) / "ids.npy"), min_area, repeat])
        command = [str(python), str(Path(__file__).resolve()), "--one", request]
        done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    if done.returncode:
        raise PeerMissing(f"ended with an error: {done.stderr.strip().splitlines()[-1]}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=4096)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--scaling", action="store_true", help="ours from 1024 to --largest, to see that time grows with the pixels")
    parser.add_argument("--largest", type=int, default=16384)
    parser.add_argument("--others", action="store_true", help="tracing alone, against GDAL and xarray-spatial")
    parser.add_argument("--files", action="store_true", help="from a raster to a GeoPackage, against GDAL and geofileops")
    parser.add_argument("--checkerboard", action="store_true", help="the worst case: every pixel a polygon")
    parser.add_argument("--squares", action="store_true", help="what right angles cost on 2048 x 2048")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(measure(*json.loads(arguments.one))))
        return
    print(f"{arguments.size} x {arguments.size}, {CLASSES} classes, processor seconds, median of {arguments.repeat}")
    for kind in BLUR_PX:
        ids = make_raster(arguments.size, kind)
        for min_area in ("0", "4px"):
            mine, other = (in_own_process(way, ids, min_area, arguments.repeat) for way in ("ours", "usual"))
            print(f"{kind}, min area {min_area}")
            for name, found in (("ours", mine), ("usual", other)):
                print(f"    {name:6} {found['seconds']:7.2f} s {found['extra_mib']:7.0f} MiB {found['polygons']:8} polygons")
            less = other["extra_mib"] / max(1.0, mine["extra_mib"])
            print(f"    ratio  {other['seconds'] / mine['seconds']:7.1f} x faster, {less:.1f} x less memory", flush=True)
            specks = "" if min_area == "0" else ", specks under 4 px removed"
            what = f"{kind} {arguments.size} x {arguments.size} labels to simplified polygons{specks}"
            beside(what, mine, USUAL, other, key="usual")
    if arguments.others:
        noisy = make_raster(arguments.size, "noisy")
        print("exact outlines, noisy", flush=True)
        mine = in_own_process("traced", noisy, "0", arguments.repeat)
        for way, name in (("gdal", "rasterio.features.shapes"), ("osgeo", "gdal.Polygonize"), ("xrspatial", "xarray-spatial")):
            against("exact outlines of noisy labels", mine, name, way, noisy, arguments.repeat)
    if arguments.files:
        half = make_raster(arguments.size // 2, "noisy")
        side = arguments.size // 2
        print(f"noisy {side} x {side} to a GeoPackage", flush=True)
        mine = in_own_process("ours as a file", half, "0", arguments.repeat)
        what = f"noisy {side} x {side} labels to simplified polygons in a GeoPackage"
        against(what, mine, "gdal.Polygonize and geofileops.simplify", "geofileops", half, arguments.repeat)
    if arguments.checkerboard:
        ids = (np.indices((arguments.size, arguments.size)).sum(axis=0) % 2).astype(np.uint8)
        found = in_own_process("traced", ids, "0", 1)
        print(f"checkerboard: {found['seconds']:.1f} s, {found['extra_mib']:.0f} MiB, {found['polygons']} polygons", flush=True)
    if arguments.squares:
        ids = make_raster(2048, "smooth")
        plain, square = (in_own_process(way, ids, "4px", arguments.repeat)["seconds"] for way in ("ours", "squared"))
        print(f"2048 x 2048, smooth: {plain:.2f} s, with right angles {square:.2f} s", flush=True)
    if arguments.scaling:
        size = 1024
        while size <= arguments.largest:
            found = in_own_process("ours", make_raster(size, "noisy"), "4px", 1)
            each = found["seconds"] / (size / 1024) ** 2
            print(
                f"noisy {size:5}: {found['seconds']:6.2f} s, {each:.3f} s for each 1024 x 1024 pixels, {found['extra_mib']:.0f} MiB",
                flush=True,
            )
            size *= 2


USUAL = "rasterio.features.shapes, GeoPandas and Shapely"


def against(what: str, mine: dict, name: str, way: str, ids: np.ndarray, repeat: int) -> None:
    """Print and keep how one way compares with ours, or why it is not there."""
    try:
        found = in_own_process(way, ids, "0", repeat)
    except PeerMissing as missing:
        print(f"    {name}: not measured, {missing}", flush=True)
        keep(what, against=name, note=str(missing))
        return
    print(
        f"    {name}: {found['seconds']:.2f} s ({found['seconds'] / mine['seconds']:.1f} x ours, {mine['seconds']:.2f} s), "
        f"{found['extra_mib']:.0f} MiB against {mine['extra_mib']:.0f}, {found['polygons']} polygons",
        flush=True,
    )
    if way != "geofileops":  # it works in processes of its own, whose memory nobody counts here
        beside(what, mine, name, found)
    else:
        keep(what, "processor s", mine["seconds"], name, found["seconds"])


def beside(what: str, mine: dict, name: str, other: dict, key: str = "") -> None:
    """Keep time and memory of two ways."""
    keep(what, "processor s", mine["seconds"], name, other["seconds"], key=key)
    keep(what, "MiB more", mine["extra_mib"], name, other["extra_mib"])


if __name__ == "__main__":
    main()
