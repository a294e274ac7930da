"""Draws a road network: asphalt with rounded corners, kerbs and pavements, medians, markings, traffic."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw
from scipy.ndimage import distance_transform_edt

from sample_data.drawing import fields
from sample_data.drawing.buildings import GREENS, LAND, LAWNS, ROAD, VEGETATION, car, pick
from sample_data.drawing.canvas import Canvas
from sample_data.drawing.plan import Road, junctions

MEDIAN_M = {"highway": 3.2, "arterial": 2.8}


def _strokes(canvas: Canvas, lines, *, scale: int, pad_px: int = 0) -> np.ndarray:
    """Return how much of each pixel the lines (points, width in metres) cover, on a board padded on all sides."""
    height, width = canvas.shape[0] + 2 * pad_px, canvas.shape[1] + 2 * pad_px
    image = Image.new("L", (width * scale, height * scale), 0)
    draw = ImageDraw.Draw(image)
    for points, width_m, round_ends in lines:
        local = (points / canvas.gsd_m + pad_px) * scale - 0.5
        stroke = width_m / canvas.gsd_m * scale
        draw.line([tuple(p) for p in local], fill=255, width=max(int(round(stroke)), 1), joint="curve")
        if round_ends:
            for x, y in (local[0], local[-1]):
                draw.ellipse((x - stroke / 2, y - stroke / 2, x + stroke / 2, y + stroke / 2), fill=255)
    return np.asarray(image.reduce(scale), dtype=np.float32) / 255.0


def road_distance(canvas: Canvas, roads: list[Road], circles: list[tuple[np.ndarray, float]], *, fillet_m: float = 3.6) -> np.ndarray:
    """Return the distance to the edge of the asphalt in metres (h, w), negative on it, corners rounded by a fillet.

    `circles` are roundabouts (centre, outer radius in metres).
    """
    pad = int(np.ceil(fillet_m / canvas.gsd_m)) + 4
    lines = [(road.points, road.width_m, True) for road in roads]
    lines += [(np.stack([c, c + 0.01]), 2 * r, True) for c, r in circles]
    covered = _strokes(canvas, lines, scale=1, pad_px=pad) >= 0.5
    if not covered.any():
        return np.full(canvas.shape, 1e4, dtype=np.float32)
    reach = fillet_m / canvas.gsd_m
    grown = distance_transform_edt(~covered) <= reach
    closed = distance_transform_edt(grown) > reach if not grown.all() else grown
    return fields.signed_distance(closed)[pad:-pad, pad:-pad] * canvas.gsd_m


def asphalt(canvas: Canvas, seed: int, edge_m: np.ndarray, *, tone: float, walks: np.ndarray) -> None:
    """Pave where `edge_m` < 0 and lay kerbs and pavements (share `walks` in 0..1, h x w) along it."""
    rng, shape = fields.generator(seed, 21), canvas.shape
    everywhere = (slice(0, shape[0]), slice(0, shape[1]))
    drift = fields.fractal(rng, shape, 18, octaves=3)
    dust = fields.smoothstep(5.5, 0.3, edge_m + 0.7 * drift) * (1 - walks)
    canvas.colour[:] = fields.mix(canvas.colour, canvas.colour * np.array([0.90, 0.885, 0.87], dtype=np.float32), 0.7 * dust)
    pavement = fields.smoothstep(2.35, 2.15, edge_m) * walks
    slabs = 1 + 0.03 * fields.value_noise(rng, shape, 4)
    canvas.paint(everywhere, pavement, np.array([0.74, 0.69, 0.63]) * slabs[..., None], class_id=LAND, height_m=0.0, texture=0.03)
    canvas.paint(everywhere, fields.smoothstep(0.42, 0.3, edge_m) * walks, (0.80, 0.79, 0.77), class_id=LAND, height_m=0.0, texture=0.01)
    wear = 1 + 0.05 * fields.fractal(rng, shape, 90, octaves=4) + 0.025 * canvas.mottle
    colour = tone * wear[..., None] * np.array([1.0, 0.99, 0.98], dtype=np.float32)
    colour = fields.mix(
        colour.astype(np.float32), np.array([0.70, 0.64, 0.56], dtype=np.float32), 0.35 * fields.smoothstep(-1.2, 0.2, edge_m + 0.5 * drift)
    )
    patches = fields.smoothstep(1.5, 1.6, fields.fractal(rng, shape, 40, octaves=2)) * 0.07
    colour = colour * (1 - patches[..., None])
    canvas.paint(everywhere, np.clip(0.5 - edge_m / canvas.gsd_m, 0, 1), colour, class_id=ROAD, height_m=0.0, texture=0.035)


def _offset(points: np.ndarray, by_m: float) -> np.ndarray:
    along = np.gradient(points, axis=0)
    normal = along[:, ::-1] * [-1, 1] / np.maximum(np.hypot(*along.T), 1e-6)[:, None]
    return points + by_m * normal


def resample(points: np.ndarray, step_m: float) -> np.ndarray:
    """Return points (n, 2) on the same line, `step_m` apart."""
    arc = np.concatenate([[0], np.cumsum(np.hypot(*np.diff(points, axis=0).T))])
    at = np.arange(0, arc[-1], step_m)
    return np.stack([np.interp(at, arc, points[:, 0]), np.interp(at, arc, points[:, 1])], 1)


def _dashes(line: np.ndarray, on: int, off: int) -> list[np.ndarray]:
    return [line[k : k + on + 1] for k in range(0, len(line) - on, on + off)]


def dress(canvas: Canvas, seed: int, roads: list[Road], edge_m: np.ndarray, *, green: float, traffic: float) -> None:
    """Add medians, lane markings, crossings, palms along the median and cars to the paved roads."""
    rng, shape = fields.generator(seed, 22), canvas.shape
    everywhere = (slice(0, shape[0]), slice(0, shape[1]))
    met = junctions(roads)
    hole = [(spot[None] + [[0, 0], [0.01, 0.01]], 2 * (half + 5.0), True) for spot, half, _ in met]
    gaps = 1.0 - _strokes(canvas, hole, scale=1) if hole else np.ones(shape, dtype=np.float32)
    wide_met = [(s[None] + [[0, 0], [0.01, 0.01]], 2 * (h + 7.0), True) for s, h, kinds in met if "street" not in kinds]
    wide_gaps = 1.0 - _strokes(canvas, wide_met, scale=1) if wide_met else np.ones(shape, dtype=np.float32)
    medians, paint, crossings, palms = [], [], [], []
    for road in roads:
        line = resample(road.points, 1.0)
        if len(line) < 12:
            continue
        half = road.width_m / 2
        if road.kind in MEDIAN_M:
            medians.append((line, MEDIAN_M[road.kind], False))
            palms += list(line[4::9]) if road.kind == "arterial" else []
            lane = (half - MEDIAN_M[road.kind] / 2) / (3 if road.kind == "highway" else 2)
            inner = MEDIAN_M[road.kind] / 2
            offsets = [inner + lane * k for k in range(1, 3 if road.kind == "highway" else 2)]
            for offset in (*offsets, *(-o for o in offsets)):
                paint += [(d, 0.22, False) for d in _dashes(_offset(line, offset), 3, 6)]
            paint += [(_offset(line, s * (half - 0.5)), 0.2, False) for s in (-1, 1)]
        elif road.kind in ("collector", "shore"):
            if road.kind == "shore":
                palms += [p for s in (-1, 1) for p in _offset(line, s * (half + 3.2))[3::8]]
            paint += [(d, 0.2, False) for d in _dashes(line, 3, 4)]
            paint += [(_offset(line, s * (half - 0.45)), 0.15, False) for s in (-1, 1)]
            for end, step in ((7, 1), (len(line) - 8, -1)):
                if 7 < end < len(line) - 7 and rng.random() < 0.5:
                    crossings += [
                        (np.stack([_offset(line, o)[end], _offset(line, o)[end + 3 * step]]), 0.5, False)
                        for o in np.arange(-half + 0.9, half - 0.4, 1.05)
                    ]
    on_road = edge_m < -0.15
    if medians:
        strip = _strokes(canvas, medians, scale=2) * wide_gaps * on_road
        planted = fields.fractal(rng, shape, 200, octaves=2) > (0.8 - 1.9 * green)
        canvas.paint(everywhere, strip, (0.76, 0.74, 0.70), class_id=LAND, texture=0.02)
        core = _strokes(canvas, [(p, w - 0.7, r) for p, w, r in medians], scale=2) * wide_gaps * on_road
        canvas.paint(everywhere, core * ~planted, (0.78, 0.70, 0.60), class_id=LAND, texture=0.08)
        canvas.paint(everywhere, core * planted, pick(rng, LAWNS), class_id=VEGETATION, texture=0.10)
    if paint:
        cover = _strokes(canvas, paint, scale=3) * gaps * (edge_m < -0.2)
        canvas.paint(everywhere, 0.75 * cover, (0.88, 0.88, 0.85), texture=0.03)
    if crossings:
        canvas.paint(everywhere, 0.7 * _strokes(canvas, crossings, scale=3) * (edge_m < -0.2), (0.88, 0.88, 0.86), texture=0.03)
    for spot in palms:
        row, column = (spot[::-1] / canvas.gsd_m).astype(int)
        if (
            0 <= row < shape[0]
            and 0 <= column < shape[1]
            and wide_gaps[row, column] > 0.5
            and canvas.ids[row, column] in (LAND, VEGETATION)
            and rng.random() < 0.5 + 0.5 * green
        ):
            canvas.crown(
                spot + rng.normal(0, 0.2, 2),
                rng.uniform(1.6, 2.2),
                rng,
                colour=pick(rng, GREENS, 0.1),
                height_m=5.0,
                class_id=VEGETATION,
                palm=True,
            )
    _drive(canvas, rng, roads, edge_m, traffic)


def _drive(canvas: Canvas, rng: np.random.Generator, roads: list[Road], edge_m: np.ndarray, traffic: float) -> None:
    spacing = {"highway": 26.0, "arterial": 34.0, "collector": 55.0, "shore": 50.0, "street": 48.0}
    for road in roads:
        length = np.hypot(*np.diff(road.points, axis=0).T).sum()
        half = road.width_m / 2
        for _ in range(rng.poisson(traffic * length / spacing[road.kind])):
            line = resample(road.points, 2.0)
            at = rng.integers(1, max(len(line) - 1, 2))
            if at + 1 >= len(line):
                continue
            along = line[at + 1] - line[at - 1]
            normal = along[::-1] * [-1, 1] / max(np.hypot(*along), 1e-6)
            lanes = [half - 1.7, half - 4.6] if road.kind in MEDIAN_M else [half - (1.3 if road.kind == "street" else 1.9)]
            spot = line[at] + rng.choice([-1, 1]) * lanes[rng.integers(len(lanes))] * normal
            row, column = (spot[::-1] / canvas.gsd_m).astype(int)
            if 0 <= row < canvas.shape[0] and 0 <= column < canvas.shape[1] and edge_m[row, column] < -0.9:
                car(canvas, rng, spot, along, class_id=ROAD)


def roundabouts(canvas: Canvas, seed: int, circles: list[tuple[np.ndarray, float]]) -> None:
    """Draw the planted islands of roundabouts (centre, outer radius in metres)."""
    rng = fields.generator(seed, 23)
    for centre, radius in circles:
        island = radius - 8.0
        canvas.disc(centre, island, (0.80, 0.79, 0.76), class_id=LAND)
        canvas.disc(centre, island - 0.5, (0.76, 0.66, 0.52), class_id=LAND, texture=0.05)
        canvas.disc(centre, island - 2.0, pick(rng, LAWNS), class_id=VEGETATION, texture=0.08)
        for turn in np.arange(0, 2 * np.pi, np.pi / 3):
            spot = centre + 0.55 * island * np.array([np.cos(turn), np.sin(turn)])
            canvas.crown(spot, 1.9, rng, colour=pick(rng, GREENS, 0.1), height_m=5.0, class_id=VEGETATION, palm=True)
