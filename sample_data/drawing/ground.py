"""Draws the land itself: dunes and tracks, the sea and its shore, parks and golf courses."""

from __future__ import annotations

import numpy as np
from skimage.measure import find_contours

from sample_data.drawing import fields
from sample_data.drawing.buildings import GREENS, LAND, LAWNS, UNLABELLED, VEGETATION, WATER, pick
from sample_data.drawing.canvas import Canvas, Colour
from sample_data.drawing.plan import curve


def sand(canvas: Canvas, seed: int, *, colour: Colour, dunes: float) -> None:
    """Cover the board with sand: patches of tone, wind-shaped dunes and ripples, gravel, dark flecks of scrub soil."""
    rng, shape = fields.generator(seed, 11), canvas.shape
    drift = 26 * fields.value_noise(rng, shape, 120)
    long = fields.warp_image(fields.fractal(rng, shape, (26, 80), octaves=4), drift, -drift)
    rolling = fields.fractal(rng, shape, 150, octaves=3)
    ripple = fields.warp_image(fields.value_noise(rng, shape, (3.5, 9)), drift * 0.4, drift)
    canvas.relief += (dunes * (0.34 * long + 0.9 * rolling + 0.035 * ripple) + 0.02 * canvas.grain).astype(np.float32)
    tone = 1.0 + 0.030 * canvas.patchy + 0.020 * long + 0.016 * canvas.mottle + 0.014 * canvas.grain
    base = np.asarray(colour, dtype=np.float32)
    canvas.colour[:] = base * tone[..., None]
    warm = fields.smoothstep(0.2, 1.6, fields.fractal(rng, shape, 220, octaves=4))
    canvas.colour[:] = fields.mix(canvas.colour, canvas.colour * np.array([0.97, 0.91, 0.83], dtype=np.float32), warm)
    crust = fields.smoothstep(0.9, 1.8, fields.fractal(rng, shape, 60, octaves=5, gain=0.65))
    canvas.colour[:] = fields.mix(canvas.colour, canvas.colour * np.array([0.80, 0.80, 0.81], dtype=np.float32), 0.7 * crust)


def tracks(canvas: Canvas, seed: int, *, count: int) -> None:
    """Draw tyre tracks that cross the sand in long curves; they stay land."""
    rng = fields.generator(seed, 12)
    wide, high = canvas.size_m
    for _ in range(count):
        start = np.array([rng.uniform(0, wide), rng.uniform(0, high)])
        heading, points = rng.uniform(0, 2 * np.pi), [start]
        for _ in range(14):
            heading += rng.normal(0, 0.28)
            points.append(points[-1] + rng.uniform(22, 42) * np.array([np.cos(heading), np.sin(heading)]))
        line = curve(np.array(points), step_m=3.0)
        normal = np.gradient(line, axis=0)[:, ::-1] * [1, -1]
        normal /= np.maximum(np.hypot(*normal.T), 1e-6)[:, None]
        strength, tone = rng.uniform(0.10, 0.42), rng.choice([0.72, 0.80, 1.12])
        canvas.line(line, canvas.colour.mean(axis=(0, 1)) * (0.5 + 0.5 * tone), width_m=3.4, alpha=strength * 0.5)
        for side in (-0.9, 0.9):
            canvas.line(line + side * normal, canvas.colour.mean(axis=(0, 1)) * tone, width_m=0.55, alpha=strength)


def shoreline(seed: int, shape: tuple[int, int], *, gsd_m: float, kind: str, share: float) -> np.ndarray:
    """Return the distance to the water's edge in metres (h, w): negative in the water.

    `kind` is none, lagoon (a winding creek with bays), coast (open sea on one side) or harbour (a straight-cut coast);
    `share` is about the part of the board that is water.
    """
    if kind == "none":
        return np.full(shape, 1e4, dtype=np.float32)
    rng = fields.generator(seed, 13)
    y, x = np.indices(shape, dtype=np.float32) * gsd_m
    wide, high = shape[1] * gsd_m, shape[0] * gsd_m
    rough = 0.055 if kind == "harbour" else 0.16
    wiggle = rough * min(wide, high) * fields.fractal(rng, shape, min(wide, high) / 2.6 / gsd_m, octaves=4, gain=0.42)
    if kind == "lagoon":
        heading = rng.uniform(0, np.pi)
        across = (x - wide / 2) * np.sin(heading) - (y - high / 2) * np.cos(heading)
        level = np.abs(across + 1.2 * wiggle + rng.uniform(-0.15, 0.15) * wide) + 0.55 * np.abs(wiggle)
    else:
        heading = rng.uniform(0, 2 * np.pi)
        level = (x - wide / 2) * np.cos(heading) + (y - high / 2) * np.sin(heading) + wiggle
    fine = 1.5 * fields.fractal(rng, shape, 22 / gsd_m, octaves=4)
    level = level + (0.15 if kind == "harbour" else 1.0) * fine
    return fields.signed_distance(level < np.quantile(level, share)) * gsd_m


def water(canvas: Canvas, seed: int, shore_m: np.ndarray, *, deep: Colour, shallow: Colour, natural: bool, surf: bool) -> None:
    """Draw water by depth, with a beach that goes from dry over wet sand into the shallows, and broken foam."""
    rng, shape = fields.generator(seed, 14), canvas.shape
    wander = 5.0 * fields.fractal(rng, shape, 60, octaves=4)
    width = 16.0 if surf else 9.0
    beach = fields.smoothstep(width, 2.0, shore_m + 0.4 * wander) * (shore_m > 0)
    canvas.colour[:] = fields.mix(
        canvas.colour, np.array([0.91, 0.86, 0.76], dtype=np.float32) * (1 + 0.02 * canvas.grain[..., None]), 0.8 * beach
    )
    canvas.colour[:] = fields.mix(canvas.colour, canvas.colour * 0.72, fields.smoothstep(3.2, 0.4, shore_m + 0.15 * wander))
    wet = shore_m < 0
    depth = -shore_m + wander
    reach = 26.0 if natural else 8.0
    bed = fields.fractal(rng, shape, 90, octaves=5, gain=0.6)
    middle = (np.asarray(deep) * 0.45 + np.asarray(shallow) * 0.55).astype(np.float32)
    colour = fields.mix(np.asarray(shallow, dtype=np.float32), middle, fields.smoothstep(0.5, reach * 0.55, depth))
    colour = fields.mix(colour, np.asarray(deep, dtype=np.float32), fields.smoothstep(reach * 0.4, reach * 2.2, depth + 6 * bed))
    weed = fields.smoothstep(0.8, 1.7, bed) * fields.smoothstep(2, 10, depth)
    colour = fields.mix(colour, colour * np.array([0.70, 0.80, 0.72], dtype=np.float32), weed)
    swell = fields.warp_image(fields.value_noise(rng, shape, (4, 16)), wander, wander) + 0.7 * fields.value_noise(rng, shape, (2, 5))
    colour = colour * (1 + 0.035 * swell[..., None])
    canvas.colour[wet] = colour[wet]
    foam = fields.smoothstep(0.9, 0.1, np.abs(shore_m + 0.8)) * fields.smoothstep(0.2, 1.2, fields.fractal(rng, shape, 16, octaves=3))
    canvas.colour[:] = fields.mix(canvas.colour, np.array([0.93, 0.94, 0.93], dtype=np.float32), (0.5 if surf else 0.08) * foam)
    canvas.ids[(shore_m < 5.0) & (canvas.ids == VEGETATION)] = LAND
    canvas.ids[wet] = WATER
    canvas.relief[shore_m < 5.0] = 0.0
    canvas.height[shore_m < 5.0] = 0.0


def quay(canvas: Canvas, seed: int, shore_m: np.ndarray) -> None:
    """Draw a concrete apron along the shore, jetties into the water and moored boats (unlabelled)."""
    rng = fields.generator(seed, 15)
    everywhere = (slice(0, canvas.shape[0]), slice(0, canvas.shape[1]))
    apron = fields.smoothstep(9.3, 8.7, shore_m) * (shore_m > 0)
    canvas.paint(everywhere, apron, (0.74, 0.72, 0.69), class_id=LAND, texture=0.05)
    edge = fields.smoothstep(1.3, 0.9, shore_m) * (shore_m > 0)
    canvas.paint(everywhere, edge, (0.84, 0.83, 0.80), class_id=LAND, height_m=0.8)
    contours = [c for c in find_contours(shore_m, 0.0) if len(c) > 200]
    for contour in contours:
        line = contour[:, ::-1] * canvas.gsd_m
        arc = np.concatenate([[0], np.cumsum(np.hypot(*np.diff(line, axis=0).T))])
        for at in np.arange(rng.uniform(15, 30), arc[-1] - 15, 30.0) + rng.uniform(-4, 4):
            near = np.array([np.interp(at + d, arc, axis) for d in (-8, 8) for axis in line.T]).reshape(2, 2)
            along = (near[1] - near[0]) / max(np.hypot(*(near[1] - near[0])), 1e-6)
            out = np.array([-along[1], along[0]])
            foot = near.mean(axis=0)
            probe = np.clip(((foot + 12 * out) / canvas.gsd_m).astype(int)[::-1], 0, np.array(canvas.shape) - 1)
            if shore_m[probe[0], probe[1]] > 0:
                out = -out
            if rng.random() < 0.72:
                _jetty(canvas, rng, foot, out, along, length_m=rng.uniform(24, 42), shore_m=shore_m)


def _jetty(canvas: Canvas, rng: np.random.Generator, foot, out, along, *, length_m: float, shore_m: np.ndarray) -> None:
    tip = np.clip(((foot + (length_m + 12) * out) / canvas.gsd_m).astype(int)[::-1], 0, np.array(canvas.shape) - 1)
    if shore_m[tip[0], tip[1]] > -6:
        return
    canvas.line(np.array([foot - 2 * out, foot + length_m * out]), (0.72, 0.68, 0.62), width_m=2.2, class_id=LAND, height_m=0.9)
    for at in np.arange(5.0, length_m - 2.0, 4.6):
        for side in (-1, 1):
            if rng.random() < 0.7:
                boat(canvas, rng, foot + at * out + side * (1.8 + 4.2) * along, along * side)


def boat(canvas: Canvas, rng: np.random.Generator, centre: np.ndarray, heading: np.ndarray, *, length_m: float | None = None) -> None:
    """Draw a boat, which the classes do not know: it is left unlabelled."""
    long = heading / max(np.hypot(*heading), 1e-6)
    side, half = np.array([-long[1], long[0]]), (length_m or rng.uniform(6.0, 9.5)) / 2
    beam = half * 0.32
    hull = np.array(
        [
            centre + half * long,
            centre + 0.4 * half * long + beam * side,
            centre - half * long + 0.85 * beam * side,
            centre - half * long - 0.85 * beam * side,
            centre + 0.4 * half * long - beam * side,
        ]
    )
    canvas.polygon(
        hull, pick(rng, ((0.95, 0.95, 0.94), (0.90, 0.90, 0.88), (0.70, 0.62, 0.50))), class_id=UNLABELLED, height_m=1.0, texture=0.01
    )
    cabin = centre - 0.15 * half * long
    corners = np.array([cabin + 0.35 * half * long * a + 0.55 * beam * side * b for a, b in ((1, 1), (1, -1), (-1, -1), (-1, 1))])
    canvas.polygon(
        corners, pick(rng, ((0.30, 0.34, 0.38), (0.82, 0.84, 0.85), (0.25, 0.42, 0.60))), class_id=UNLABELLED, height_m=1.8, texture=0.01
    )


def park(canvas: Canvas, seed: int, outline: np.ndarray, *, golf: bool) -> None:
    """Draw a watered park inside an outline: lawns, groves, winding paths and a pond; or fairways, bunkers and rough."""
    rng = fields.generator(seed, 16)
    box = canvas.box(outline)
    if box is None:
        return
    cover = canvas.coverage(outline, box)
    shape = cover.shape
    inside = fields.signed_distance(cover < 0.5) * canvas.gsd_m
    if golf:
        heading = fields.value_noise(rng, shape, 160)
        lie = fields.warp_image(
            fields.fractal(rng, shape, (110, 260) if rng.random() < 0.5 else (260, 110), octaves=2), 40 * heading, 30 * heading
        )
        rough = fields.smoothstep(-0.9, -0.5, lie) * cover
        canvas.paint(box, rough, (0.40, 0.40, 0.25), class_id=VEGETATION, texture=0.09)
        fairway = fields.smoothstep(0.12, 0.2, lie) * cover * (inside > 6)
        canvas.paint(box, fairway, pick(rng, LAWNS), class_id=VEGETATION, texture=0.06)
        green = fields.smoothstep(1.35, 1.42, lie) * cover * (inside > 10)
        canvas.paint(box, green, (0.42, 0.55, 0.29), class_id=VEGETATION, texture=0.03)
        bunker = fields.smoothstep(1.15, 1.25, fields.fractal(rng, shape, 42, octaves=2)) * (np.abs(lie - 0.5) < 0.55) * (inside > 8)
        canvas.paint(box, bunker.astype(np.float32), (0.94, 0.90, 0.80), class_id=LAND, texture=0.03)
        pond, grove = 1.75, (lie < 0.0) & (lie > -1.0)
    else:
        canvas.paint(box, cover, pick(rng, LAWNS, 0.08), class_id=VEGETATION, texture=0.05)
        pond, grove = 1.9, fields.fractal(rng, shape, 70, octaves=3) > 0.3
    still = fields.fractal(rng, shape, 110, octaves=3)
    level = np.where(inside > 9, still - max(pond, float(np.quantile(still, 0.955))), -1.0)
    _pond(canvas, box, level)
    if not golf:
        _paths(canvas, rng, outline)
    free = (canvas.ids[box] == VEGETATION) & grove & (inside > 2.5)
    spots = np.argwhere(free)
    count = int(free.sum() * canvas.gsd_m**2 / (34 if golf else 26))
    for row, column in spots[rng.integers(0, max(len(spots), 1), count)] if len(spots) else ():
        spot = np.array([(column + box[1].start), (row + box[0].start)]) * canvas.gsd_m
        palm = rng.random() < 0.25
        canvas.crown(
            spot, rng.uniform(1.3, 3.3), rng, colour=pick(rng, GREENS, 0.12), height_m=rng.uniform(2.5, 5.5), class_id=VEGETATION, palm=palm
        )


def _pond(canvas: Canvas, box: tuple[slice, slice], level: np.ndarray) -> None:
    if not (level > 0).any():
        return
    shore = fields.signed_distance(level > 0) * canvas.gsd_m
    canvas.paint(box, fields.smoothstep(2.6, 1.4, shore), (0.72, 0.68, 0.55), class_id=LAND, texture=0.05)
    tone = fields.mix(
        np.array([0.22, 0.33, 0.27], dtype=np.float32), np.array([0.10, 0.17, 0.15], dtype=np.float32), fields.smoothstep(0, -7, shore)
    )
    canvas.paint(box, fields.smoothstep(0.15, -0.15, shore), tone, class_id=WATER, texture=0.03)


def _paths(canvas: Canvas, rng: np.random.Generator, outline: np.ndarray) -> None:
    middle = outline.mean(axis=0)
    corners = outline[:: max(len(outline) // 14, 1)]
    ring = middle + 0.62 * (corners - middle) * rng.uniform(0.85, 1.15, (len(corners), 1))
    colour = pick(rng, ((0.80, 0.72, 0.60), (0.72, 0.66, 0.60)))
    canvas.line(curve(np.concatenate([ring, ring[:1]])), colour, width_m=2.2, class_id=LAND, texture=0.03)
    for spot in ring[:: max(len(ring) // 4, 1)]:
        canvas.line(curve(np.array([spot, middle + rng.normal(0, 6, 2), middle])), colour, width_m=1.8, class_id=LAND, texture=0.03)
        if rng.random() < 0.5:
            way_out = np.array([spot, middle + 1.8 * (spot - middle)])
            canvas.line(way_out, colour, width_m=1.8, class_id=LAND, texture=0.03, alpha=0.9)
    canvas.disc(middle, 5.0, colour, class_id=LAND)
