"""A class raster into a layer of polygons that tile the scene: no gap, no overlap, every border simplified once."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import geopandas as gpd
import numpy as np
import shapely
from affine import Affine

import core
from core.classes import ClassScheme
from core.digests import steady
from core.errors import SettingsError
from core.geo import GeoRef
from core.progress import OnProgress, ShouldStop, check, part, report
from core.scenes.scene import Scene
from core.vector.layer import PolygonLayer, VectorResult, crs_name
from core.vector.settings import METHODS, VectorSettings, by_class
from core.vector.tracing.arcs import Arcs, merge_small_regions, trace_arcs
from core.vector.tracing.attributes import LENGTH_METHOD, distances, measure, size_in_pixels
from core.vector.tracing.measures import boundary_code
from core.vector.tracing.polygons import Rings, build_polygons, build_rings, transformed
from core.vector.tracing.simplify import simplify_arcs
from core.vector.tracing.sources import LabelSource, full_scale, open_labels, tiles_kept
from core.vector.tracing.validity import proven_valid
from core.vector.tracing.zonal import Zonal, zonal

STEPS = 4


def vectorize(
    source: str | os.PathLike | np.ndarray | Scene,
    settings: VectorSettings | None = None,
    *,
    geo: GeoRef | None = None,
    scheme: ClassScheme | None = None,
    confidence: str | os.PathLike | np.ndarray | None = None,
    on_progress: OnProgress | None = None,
    should_stop: ShouldStop | None = None,
    **told: Any,
) -> VectorResult:
    """Turn a prediction folder, a class raster, or class ids (height, width) into polygons.

    Each of the settings can also be told by its name. geo, scheme: for sources without. confidence: a raster or array (height, width) in
    0 to 1, or unsigned integers of which the largest is 1.

    invalid counts invalid polygons: Shapely is asked for those that `proven_valid` leaves in doubt. gap_area and overlap_area are 0
    when all polygons of the raster, those of ignored areas among them, are valid and the sides of their rings cancel out but for the
    scene's frame: each inner point then lies in exactly one polygon. Otherwise they are measured on the polygons' union.
    Raises SettingsError, SceneError, Cancelled.
    """
    began = time.perf_counter()
    asked = replace(settings or VectorSettings(), **told)
    labels = open_labels(
        source,
        threshold=asked.threshold,
        thresholds=asked.class_thresholds(),
        geo=geo,
        scheme=scheme,
        confidence=confidence,
        pixel_size_m=asked.pixel_size_m,
    )
    size = labels.height, labels.width
    min_area_px = size_in_pixels(asked.min_area, labels.geo, *size, power=2, name="min_area")
    areas_px = _areas_px(asked, labels)
    simplify_px = size_in_pixels(asked.simplify, labels.geo, *size, power=1, name="simplify")
    wanted_ids = _class_ids(asked.classes, labels.scheme)
    squared_ids = _chosen_ids(asked.regularize, labels.scheme, ("building",))
    lined_ids = _chosen_ids(asked.centre_lines, labels.scheme, ("road", "street"))

    refuse_changed = steady({labels.name: labels.digest})
    # Reading is most of the work, once for the labels and once for what else there is; the other steps share the last fifth.
    once = 4 if labels.confidence_rows is None else 3
    reading, again, building = part(on_progress, 0, once, 5), part(on_progress, once, 4, 5), part(on_progress, 4, 5, 5)

    def step(number: int, message: str) -> None:
        check(should_stop)
        report(building, number, STEPS, message)

    with tiles_kept(labels):
        arcs = trace_arcs(labels.rows, *size, confidence_rows=labels.confidence_rows, on_progress=reading, should_stop=should_stop)
        check(should_stop)
        report(again, 0, 1, "merging small areas")
        arcs = merge_small_regions(arcs, min_area_px, labels.scheme.ignored_id, areas_px)
        # Before there are polygons: what reads the rasters once more has the arcs alone beside it.
        zones = zonal(arcs, labels, on_progress=again, should_stop=should_stop)
    step(0, "simplifying borders")
    points, offsets = simplify_arcs(arcs, simplify_px, smooth=asked.smooth, method=asked.method)
    squared = 0
    if squared_ids.size:
        # Here and not above: its kernels take a second to load, and most layers do without.
        from core.vector.squaring.regularize import regularize_arcs

        regular = regularize_arcs(arcs, points, offsets, np.isin(arcs.regions.classes, squared_ids), should_stop=should_stop)
        points, offsets, squared = regular.points, regular.offsets, int(regular.regions.sum())
    if not lined_ids.size:
        arcs = replace(arcs, xy=arcs.xy[:0])  # the exact borders have served, and are much of the memory of a vast scene
    step(1, "building polygons")
    everywhere = np.ones(arcs.regions.classes.size, bool)
    rings = build_rings(arcs, points, offsets, everywhere)
    coordinates = transformed(rings.xy, labels.geo.transform)
    measures, area_method = measure(rings, coordinates, labels.geo, *size)
    geometry = build_polygons(rings, coordinates)
    far = None
    if asked.distance_to is not None:
        targets = np.isin(arcs.regions.classes[1:], _class_ids([asked.distance_to], labels.scheme))
        far = distances(geometry, targets, rings, coordinates, labels.geo, *size)
    # Polygons hold their points themselves.
    rings = replace(rings, xy=rings.xy[:0])
    del coordinates
    step(2, "checking the coverage")
    invalid, gap_px, overlap_px = _check_coverage(arcs, points, offsets, rings, geometry, labels.geo.transform)
    step(3, "measuring polygons")
    keep = np.isin(arcs.regions.classes[1:], wanted_ids)
    layer, area = _layer(labels, arcs, geometry, keep, zones, measures, area_method)
    refuse_changed()
    if far is not None:
        layer.frame.insert(len(layer.frame.columns) - 1, f"distance_{labels.geo.units}", far[keep])
        layer.made["distance_to"] = str(asked.distance_to)
    pixel_area = labels.geo.mean_pixel_area_m2(labels.height, labels.width) or 1.0
    layer.made.update(
        min_area=str(asked.min_area),
        min_area_px=min_area_px,
        simplify=str(asked.simplify),
        simplify_px=simplify_px,
        smooth=asked.smooth,
        threshold=asked.threshold,
        simplify_method=METHODS[asked.method],
        pixels_of_classes=area,
        **({"min_areas_px": {labels.scheme.names[k]: pixels for k, pixels in areas_px.items()}} if areas_px else {}),
        **({"thresholds": asked.class_thresholds()} if asked.thresholds else {}),
        regularized={"classes": [labels.scheme.names[k] for k in squared_ids], "polygons": squared},
    )
    lines = None
    if lined_ids.size:
        from core.vector.centre_lines.lines import line_layer

        lines = line_layer(arcs, lined_ids, labels.scheme, labels.geo, should_stop=should_stop)
    report(building, STEPS, STEPS, "done")
    return VectorResult(layer, time.perf_counter() - began, invalid, gap_px * pixel_area, overlap_px * pixel_area, lines)


def _areas_px(asked: VectorSettings, labels: LabelSource) -> dict[int, float]:
    """The smallest areas of single classes, in pixels by class id."""
    sizes = by_class(asked.min_areas, name="min_areas")
    ids = (int(k) for k in _class_ids(list(sizes), labels.scheme))
    return {
        k: size_in_pixels(size, labels.geo, labels.height, labels.width, power=2, name="min_areas")
        for k, size in zip(ids, sizes.values(), strict=True)
    }


def _class_ids(classes: Sequence[str | int] | None, scheme: ClassScheme) -> np.ndarray:
    if classes is None:
        return np.array([k for k in range(len(scheme)) if k != scheme.ignored_id])
    ids = []
    for item in classes:
        if item in scheme.names:
            ids.append(scheme.names.index(item))
        elif isinstance(item, (int, np.integer)) and 0 <= item < len(scheme):
            ids.append(int(item))
        else:
            raise SettingsError(f"no class {item!r}", expected=f"some of {', '.join(scheme.names[:20])}", do="Correct the class names")
    return np.array(ids, int)


def _chosen_ids(choice: bool | Sequence[str | int], scheme: ClassScheme, words: tuple[str, ...]) -> np.ndarray:
    """Class ids of a choice: none for False, those with one of the words in their name for True, else the classes named."""
    if not isinstance(choice, bool):
        return _class_ids(choice, scheme)
    found = [k for k, name in enumerate(scheme.names) if any(word in name.lower() for word in words)]
    return np.array(found if choice else [], int)


def _check_coverage(
    arcs: Arcs, points: np.ndarray, offsets: np.ndarray, rings: Rings, geometry: np.ndarray, transform: Affine
) -> tuple[int, float, float]:
    """Invalid polygons, and area of gaps and overlaps in pixels, of the polygons of all regions."""
    built = shapely.get_coordinates(geometry)
    others = geometry[~proven_valid(built, rings.offsets, rings.polygons)]
    with ThreadPoolExecutor(2) as pool:
        invalid = sum(pool.map(lambda part: int((~shapely.is_valid(part)).sum()), np.array_split(others, 2)))
    # Regions lie on the left of their rings, so the frame is left of the arcs that have the outside on their right.
    rim = (arcs.right == 0).astype(np.int8) - (arcs.left == 0).astype(np.int8)
    frame = boundary_code(transformed(points, transform), offsets, rim)
    sides = boundary_code(built, rings.offsets, np.ones(rings.offsets.size - 1, np.int8))
    total = arcs.height * arcs.width
    if invalid == 0 and frame == sides and abs(rings.areas_px[1:].sum() - total) < 1e-6 * total:
        return 0, 0.0, 0.0
    pixel = abs(transform.determinant)
    covered = shapely.union_all(shapely.make_valid(geometry)).area / pixel
    return invalid, max(0.0, total - covered), max(0.0, float(shapely.area(geometry).sum()) / pixel - covered)


def _layer(
    labels: LabelSource,
    arcs: Arcs,
    geometry: np.ndarray,
    keep: np.ndarray,
    zones: Zonal,
    measures: Mapping[str, np.ndarray],
    area_method: str,
) -> tuple[PolygonLayer, dict[str, int]]:
    regions, scheme = arcs.regions, labels.scheme
    ids = regions.classes[1:][keep]
    names = np.array(scheme.names, object)
    count = int(keep.sum())
    pixels = regions.pixels[1:][keep]
    unknown = np.full(count, np.nan)
    full = 1.0 if labels.confidence_rows is None else full_scale(labels.confidence_rows(0, 1).dtype)
    confidence = unknown if regions.confidence_sum is None else regions.confidence_sum[1:][keep] / pixels / full
    second = np.full(count, -1) if zones.second_class is None else zones.second_class[1:][keep]
    columns: dict[str, Any] = {"id": np.arange(1, count + 1), "class_id": ids.astype(np.int32), "class_name": names[ids]}
    columns |= {name: values[keep] for name, values in measures.items()}
    columns |= {
        "mean_confidence": confidence,
        "confidence_p10": unknown if zones.low_confidence is None else zones.low_confidence[1:][keep],
        "mean_margin": unknown if zones.margin is None else zones.margin[1:][keep],
        "second_class": np.append(names, "")[second],
        "on_edge": regions.edge[1:][keep],
    }
    frame = gpd.GeoDataFrame(columns, geometry=geometry[keep], crs=labels.geo.crs)
    sums = np.bincount(ids, weights=pixels, minlength=len(scheme))
    made = {
        "software": f"Groundline {core.__version__}",
        "source": labels.name,
        **labels.picture,
        "model": labels.model,
        "height": labels.height,
        "width": labels.width,
        "area_method": area_method,
        "length_method": LENGTH_METHOD,
        "crs": crs_name(labels.geo),
        "confidence": "mean over the pixels of each area" if labels.confidence_rows else None,
    }
    return PolygonLayer(frame, scheme, labels.geo, labels.geo.units, made), {scheme.names[k]: int(sums[k]) for k in np.flatnonzero(sums)}
