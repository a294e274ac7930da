"""Draws what stands on a plot: houses and yards, blocks of flats, sheds, building sites, parked cars."""

from __future__ import annotations

import numpy as np

from core.classes import DUBAI
from sample_data.drawing.canvas import Canvas, Colour
from sample_data.drawing.fields import sun_vector
from sample_data.drawing.plan import Plot

BUILDING, LAND, ROAD, VEGETATION, WATER = (DUBAI.names.index(n) for n in ("Building", "Land", "Road", "Vegetation", "Water"))
UNLABELLED = DUBAI.ignored_id

FLAT_ROOFS = ((0.93, 0.91, 0.87), (0.87, 0.84, 0.78), (0.80, 0.74, 0.66), (0.78, 0.77, 0.75), (0.90, 0.86, 0.76), (0.70, 0.66, 0.60))
TILED_ROOFS = ((0.66, 0.42, 0.31), (0.60, 0.45, 0.36), (0.72, 0.53, 0.40), (0.52, 0.40, 0.33))
PAVINGS = ((0.80, 0.75, 0.67), (0.72, 0.70, 0.67), (0.74, 0.62, 0.53), (0.84, 0.79, 0.70), (0.66, 0.60, 0.54))
CAR_PAINTS = ((0.93, 0.93, 0.92),) * 5 + (
    (0.72, 0.73, 0.74),
    (0.16, 0.17, 0.19),
    (0.32, 0.34, 0.37),
    (0.55, 0.10, 0.10),
    (0.15, 0.25, 0.45),
    (0.68, 0.62, 0.50),
)
GREENS = ((0.20, 0.28, 0.14), (0.25, 0.32, 0.17), (0.17, 0.24, 0.13), (0.29, 0.33, 0.18))
LAWNS = ((0.36, 0.45, 0.22), (0.42, 0.49, 0.27), (0.31, 0.41, 0.20), (0.47, 0.49, 0.29))


def pick(rng: np.random.Generator, colours: tuple[Colour, ...], spread: float = 0.03) -> np.ndarray:
    """Return one of the colours, a little lighter or darker and a little warmer or colder."""
    colour = np.array(colours[rng.integers(len(colours))])
    return np.clip(colour * (1 + spread * rng.standard_normal()) + 0.008 * rng.standard_normal(3), 0.02, 0.98)


def car(canvas: Canvas, rng: np.random.Generator, centre: np.ndarray, heading: np.ndarray, *, class_id: int | None = None) -> None:
    """Draw a car of 4.6 x 1.9 m with its windows; its class stays the ground's unless given."""
    long = heading / max(np.hypot(*heading), 1e-6)
    side = np.array([-long[1], long[0]])
    size = np.array([2.3, 0.95]) * (1.0 + 0.06 * rng.standard_normal())

    def quad(front: float, back: float, half: float) -> np.ndarray:
        return centre + np.array(
            [front * long + half * side, front * long - half * side, back * long - half * side, back * long + half * side]
        )

    paint = pick(rng, CAR_PAINTS, 0.04)
    canvas.polygon(quad(size[0], -size[0], size[1]), paint, class_id=class_id, height_m=1.1, texture=0.01)
    canvas.polygon(quad(0.35 * size[0], -0.75 * size[0], 0.80 * size[1]), (0.12, 0.14, 0.17), class_id=class_id, height_m=1.5, texture=0.01)
    canvas.polygon(quad(0.05 * size[0], -0.45 * size[0], 0.78 * size[1]), paint * 1.04, class_id=class_id, height_m=1.6, texture=0.01)


def flat_roof(
    canvas: Canvas,
    rng: np.random.Generator,
    plot: Plot,
    rect: tuple[float, float, float, float],
    *,
    height_m: float,
    colour: Colour,
    things: int,
) -> None:
    """Draw a flat roof with parapet, cooling units, tanks and a stair head; `rect` is across, along, width, depth."""
    a, d, w, h = rect
    canvas.polygon(plot.box(a, d, w, h), np.asarray(colour) * 1.07, class_id=BUILDING, height_m=height_m + 0.7, texture=0.015)
    rim = 0.38
    inner = np.asarray(colour) * (0.94 + 0.05 * rng.random())
    canvas.polygon(plot.box(a + rim, d + rim, w - 2 * rim, h - 2 * rim), inner, class_id=BUILDING, height_m=height_m, texture=0.05)
    for _ in range(things):
        sw, sh = rng.uniform(0.8, 1.7, 2)
        x, y = a + rng.uniform(0.1, 0.9) * (w - sw - 1) + 0.5, d + rng.uniform(0.1, 0.9) * (h - sh - 1) + 0.5
        kind = rng.random()
        if kind < 0.72:
            canvas.polygon(
                plot.box(x, y, sw, sh),
                pick(rng, ((0.62, 0.62, 0.62), (0.80, 0.80, 0.79), (0.42, 0.42, 0.43))),
                class_id=BUILDING,
                height_m=height_m + 1.0,
            )
            canvas.disc(
                plot.at(np.array([x + sw / 2]), np.array([y + sh / 2]))[0],
                0.32,
                (0.22, 0.22, 0.23),
                class_id=BUILDING,
                height_m=height_m + 1.0,
            )
        elif kind < 0.9:
            canvas.disc(plot.at(np.array([x]), np.array([y]))[0], 0.75, (0.92, 0.92, 0.90), class_id=BUILDING, height_m=height_m + 1.6)
        elif w > 7 and h > 7:
            canvas.polygon(plot.box(x, y, 2.6, 3.2), np.asarray(colour) * 1.04, class_id=BUILDING, height_m=height_m + 2.6, texture=0.02)


def tiled_roof(
    canvas: Canvas, plot: Plot, rect: tuple[float, float, float, float], *, height_m: float, colour: Colour, azimuth_deg: float
) -> None:
    """Draw a hipped tile roof: four slopes, each lit by how it faces the sun."""
    a, d, w, h = rect
    run = min(w, h) / 2
    corners = plot.box(a, d, w, h)
    ridge = plot.at(
        np.array([a + run, a + w - run]) if w >= h else np.array([a + run, a + run]),
        np.array([d + run, d + run]) if w >= h else np.array([d + run, d + h - run]),
    )
    first, last = ridge
    slopes = (
        ((0, 1, last, first) if w >= h else (0, 1, first)),
        ((1, 2, last) if w >= h else (1, 2, last, first)),
        ((2, 3, first, last) if w >= h else (2, 3, last)),
        ((3, 0, first) if w >= h else (3, 0, first, last)),
    )
    row, column = sun_vector(azimuth_deg)
    middle = corners.mean(axis=0)
    for slope in slopes:
        outline = np.array([corners[p] if isinstance(p, int) else p for p in slope])
        out = (outline[0] + outline[1]) / 2 - middle
        facing = (out[0] * column + out[1] * row) / max(np.hypot(*out), 1e-6)
        canvas.polygon(outline, np.asarray(colour) * (0.97 + 0.24 * facing), class_id=BUILDING, height_m=height_m, texture=0.07)
    canvas.line(ridge, np.asarray(colour) * 1.18, width_m=0.4, class_id=BUILDING, height_m=height_m + 0.6)


def shrubs(
    canvas: Canvas, rng: np.random.Generator, plot: Plot, count: int, *, margin_m: float = 1.0, greens: tuple[Colour, ...] = GREENS
) -> None:
    """Plant trees and palms along the walls of a plot."""
    for _ in range(count):
        side, along = rng.random(), rng.uniform(0.05, 0.95)
        radius = rng.uniform(1.0, 2.5)
        half = plot.width_m / 2 - margin_m - radius * 0.6
        spot = (
            (half * (2 * along - 1), plot.depth_m - margin_m - radius * 0.6)
            if side < 0.4
            else (np.sign(side - 0.7) * half, along * plot.depth_m)
        )
        _plant(canvas, rng, plot.at(np.array([spot[0]]), np.array([spot[1]]))[0], radius, greens)


def _plant(canvas: Canvas, rng: np.random.Generator, spot: np.ndarray, radius_m: float, greens: tuple[Colour, ...]) -> None:
    palm = rng.random() < 0.42
    height = rng.uniform(3.5, 5.5) if palm else rng.uniform(2.0, 4.5)
    canvas.crown(spot, radius_m + 0.4 * palm, rng, colour=pick(rng, greens, 0.1), height_m=height, class_id=VEGETATION, palm=palm)


def villa(canvas: Canvas, rng: np.random.Generator, plot: Plot, *, azimuth_deg: float, green: float, tiles: float) -> None:
    """Draw a walled plot: yard, lawn, drive, house of two or three wings, pool, annexe, trees."""
    w, d = plot.width_m, plot.depth_m
    canvas.polygon(plot.corners, pick(rng, (*PAVINGS, (0.80, 0.73, 0.62), (0.83, 0.77, 0.67))), class_id=LAND, texture=0.05)
    if rng.random() < green:
        _lawn(
            canvas, rng, plot.box(-w / 2 + 0.8, d * rng.uniform(0.55, 0.7), (w - 1.6) * rng.uniform(0.6, 1.0), d * rng.uniform(0.2, 0.28))
        )
    if rng.random() < green * 0.7:
        _lawn(canvas, rng, plot.box(-w / 2 + 0.8, 0.8, (w - 1.6) * rng.uniform(0.35, 0.55), d * 0.2))
    canvas.line(
        np.concatenate([plot.corners, plot.corners[:1]]),
        pick(rng, ((0.90, 0.87, 0.81), (0.80, 0.74, 0.66))),
        width_m=0.35,
        height_m=2.0,
        texture=0.02,
    )
    side = rng.choice([-1.0, 1.0])
    drive = side * w * rng.uniform(0.22, 0.3)
    canvas.polygon(plot.box(drive - 2.0, -0.6, 4.0, d * 0.32), pick(rng, PAVINGS), class_id=LAND, height_m=0.0, texture=0.04)
    main_w, main_d = w * rng.uniform(0.58, 0.74), d * rng.uniform(0.38, 0.48)
    a, at = -main_w / 2 + rng.uniform(-0.1, 0.1) * w, d * rng.uniform(0.24, 0.32)
    height = rng.uniform(4.5, 7.5)
    wings = [(a, at, main_w, main_d)]
    style = rng.random()
    if style < 0.65:
        ww = main_w * rng.uniform(0.34, 0.45)
        wings.append((a if rng.random() < 0.5 else a + main_w - ww, at + main_d - 1.0, ww, d * rng.uniform(0.16, 0.26)))
    if style > 0.4:
        ww = main_w * rng.uniform(0.3, 0.42)
        wings.append((a if drive > 0 else a + main_w - ww, at - d * 0.1, ww, d * 0.14))
    if rng.random() < tiles:
        colour = pick(rng, TILED_ROOFS, 0.05)
        for wing in reversed(wings):
            tiled_roof(canvas, plot, wing, height_m=height - (0 if wing is wings[0] else 1.2), colour=colour, azimuth_deg=azimuth_deg)
    else:
        colour = pick(rng, FLAT_ROOFS)
        for wing in reversed(wings):
            flat_roof(
                canvas,
                rng,
                plot,
                wing,
                height_m=height - (0 if wing is wings[0] else 2.2),
                colour=colour,
                things=rng.integers(1, 6) if wing is wings[0] else 1,
            )
        if rng.random() < 0.45:
            flat_roof(
                canvas,
                rng,
                plot,
                (a + main_w * 0.12, at + main_d * 0.15, main_w * rng.uniform(0.4, 0.6), main_d * 0.62),
                height_m=height + 2.6,
                colour=colour * 1.03,
                things=1,
            )
    if rng.random() < 0.22:
        _pool(canvas, rng, plot, d)
    if rng.random() < 0.5:
        flat_roof(
            canvas,
            rng,
            plot,
            (-side * (w / 2 - 0.3) - (3.2 if side < 0 else 0), d - 5.4, 3.2, 5.0),
            height_m=3.0,
            colour=pick(rng, FLAT_ROOFS),
            things=0,
        )
    if rng.random() < 0.55:
        heading = plot.at(np.array([0.0, 0.0]), np.array([0.0, 1.0]))
        car(canvas, rng, plot.at(np.array([drive]), np.array([d * 0.14]))[0], heading[1] - heading[0], class_id=LAND)
    shrubs(canvas, rng, plot, rng.integers(0, 3 + int(6 * green)))


def _lawn(canvas: Canvas, rng: np.random.Generator, outline: np.ndarray) -> None:
    canvas.polygon(outline, pick(rng, LAWNS, 0.08), class_id=VEGETATION, texture=0.10)


def _pool(canvas: Canvas, rng: np.random.Generator, plot: Plot, depth_m: float) -> None:
    w, h = rng.uniform(5.5, 8.5), rng.uniform(3.2, 4.2)
    across = rng.uniform(-plot.width_m / 2 + 1.6, max(plot.width_m / 2 - w - 1.6, -plot.width_m / 2 + 1.7))
    along = depth_m - h - 1.8
    canvas.polygon(plot.box(across - 0.8, along - 0.8, w + 1.6, h + 1.6), (0.87, 0.84, 0.78), class_id=LAND, height_m=0.0, texture=0.02)
    canvas.polygon(plot.box(across, along, w, h), (0.28, 0.66, 0.74), class_id=WATER, height_m=0.0, texture=0.03)


def townhouse(canvas: Canvas, rng: np.random.Generator, plot: Plot, *, colour: Colour, green: float) -> None:
    """Draw one house of a terrace: front yard with a car, roof from wall to wall, small back garden."""
    w, d = plot.width_m, plot.depth_m
    canvas.polygon(plot.corners, pick(rng, PAVINGS), class_id=LAND, texture=0.05)
    if rng.random() < green:
        _lawn(canvas, rng, plot.box(-w / 2 + 0.5, d * 0.72, w - 1.0, d * 0.24))
    canvas.line(np.concatenate([plot.corners[1:], plot.corners[:1]]), (0.86, 0.82, 0.76), width_m=0.3, height_m=1.8, texture=0.02)
    offset, tone = rng.choice([0.0, 0.8, 1.6]), np.asarray(colour) * (1 + 0.02 * rng.standard_normal())
    flat_roof(canvas, rng, plot, (-w / 2, 5.0 + offset, w, d * 0.52), height_m=6.2, colour=tone, things=rng.integers(1, 4))
    flat_roof(canvas, rng, plot, (-w / 2 + w * 0.05, 6.5 + offset, w * 0.45, d * 0.22), height_m=8.8, colour=tone * 1.02, things=0)
    if rng.random() < 0.5:
        heading = plot.at(np.array([0.0, 0.0]), np.array([0.0, 1.0]))
        car(canvas, rng, plot.at(np.array([w * 0.2]), np.array([2.6]))[0], heading[1] - heading[0], class_id=LAND)
    shrubs(canvas, rng, plot, rng.integers(0, 3))


def parking(canvas: Canvas, rng: np.random.Generator, plot: Plot, rect: tuple[float, float, float, float], *, fill: float = 0.6) -> None:
    """Draw a car park: asphalt (class Road), painted bays on both sides of an aisle, cars in some."""
    a, d, w, h = rect
    canvas.polygon(plot.box(a, d, w, h), (0.40, 0.40, 0.41), class_id=ROAD, height_m=0.0, texture=0.05)
    heading = np.diff(plot.at(np.array([0.0, 0.0]), np.array([0.0, 1.0])), axis=0)[0]
    for near in (d, d + h - 5.0) if h >= 13 else (d,):
        for bay in np.arange(a + 0.4, a + w - 2.4, 2.6):
            canvas.line(plot.at(np.array([bay, bay]), np.array([near, near + 4.8])), (0.80, 0.80, 0.78), width_m=0.14, alpha=0.8)
            if rng.random() < fill:
                car(
                    canvas,
                    rng,
                    plot.at(np.array([bay + 1.3]), np.array([near + 2.5 + 0.2 * rng.standard_normal()]))[0],
                    heading,
                    class_id=ROAD,
                )


def apartments(canvas: Canvas, rng: np.random.Generator, plot: Plot, *, green: float) -> None:
    """Draw a block of flats with a raised core, court, car park and planting."""
    w, d = plot.width_m, plot.depth_m
    canvas.polygon(plot.corners, pick(rng, PAVINGS), class_id=LAND, texture=0.05)
    parking(canvas, rng, plot, (-w / 2 + 1.0, 0.8, w - 2.0, min(7.0, d * 0.25)), fill=0.7)
    colour, height = pick(rng, FLAT_ROOFS), rng.uniform(9, 17)
    a, at, bw, bd = -w * 0.41, d * 0.32, w * 0.82, d * 0.54
    flat_roof(canvas, rng, plot, (a, at, bw, bd), height_m=height, colour=colour, things=rng.integers(8, 16))
    if rng.random() < 0.5 and bw > 16:
        court = plot.box(a + bw * 0.3, at + bd * 0.34, bw * 0.4, bd * 0.36)
        canvas.polygon(court, pick(rng, PAVINGS) * 0.9, class_id=LAND, height_m=0.0)
    else:
        flat_roof(
            canvas, rng, plot, (a + bw * 0.36, at + bd * 0.3, bw * 0.28, bd * 0.4), height_m=height + 3.2, colour=colour * 1.03, things=3
        )
    shrubs(canvas, rng, plot, int(2 + 8 * green))


def shed(canvas: Canvas, rng: np.random.Generator, plot: Plot) -> None:
    """Draw a warehouse with a ridged metal roof, its yard, containers and lorries' parking."""
    w, d = plot.width_m, plot.depth_m
    canvas.polygon(plot.corners, pick(rng, ((0.66, 0.64, 0.61), (0.72, 0.68, 0.62), (0.60, 0.59, 0.58))), class_id=LAND, texture=0.06)
    canvas.line(np.concatenate([plot.corners, plot.corners[:1]]), (0.78, 0.76, 0.72), width_m=0.35, height_m=2.2, texture=0.02)
    colour = pick(rng, ((0.90, 0.91, 0.92), (0.78, 0.80, 0.82), (0.84, 0.80, 0.72), (0.62, 0.70, 0.78), (0.88, 0.88, 0.86)))
    a, at, bw, bd = -w / 2 + 1.2, d * 0.30, w - 2.4, d * 0.64
    bays = max(int(bw / rng.uniform(10, 15)), 1)
    for bay in range(bays):
        x, width = a + bay * bw / bays, bw / bays
        for half, tone in ((0, 1.05), (1, 0.90)):
            canvas.polygon(plot.box(x + half * width / 2, at, width / 2, bd), colour * tone, class_id=BUILDING, height_m=8.0, texture=0.02)
        for rib in np.arange(at + 2.0, at + bd - 1.0, 4.5):
            canvas.polygon(plot.box(x + width * 0.42, rib, width * 0.16, 0.9), (0.60, 0.66, 0.70), class_id=BUILDING, height_m=8.3)
    for _ in range(rng.integers(1, 6)):
        tone = pick(rng, ((0.60, 0.28, 0.20), (0.22, 0.36, 0.52), (0.75, 0.73, 0.68), (0.30, 0.42, 0.34)))
        canvas.polygon(
            plot.box(rng.uniform(-w / 2 + 1, w / 2 - 8), rng.uniform(1.0, d * 0.22), 6.1, 2.4), tone, class_id=LAND, height_m=2.6
        )


def container_yard(canvas: Canvas, rng: np.random.Generator, plot: Plot) -> None:
    """Draw a yard of stacked shipping containers; it is land, for nothing there is built to stay."""
    w, d = plot.width_m, plot.depth_m
    canvas.polygon(plot.corners, pick(rng, ((0.62, 0.61, 0.59), (0.68, 0.65, 0.60))), class_id=LAND, texture=0.06)
    canvas.line(np.concatenate([plot.corners, plot.corners[:1]]), (0.74, 0.73, 0.70), width_m=0.3, height_m=2.0)
    for across in np.arange(-w / 2 + 2.0, w / 2 - 8.0, 7.4):
        for along in np.arange(3.0, d - 4.5, 2.55):
            if rng.random() < 0.8 and int(along / 2.55) % 5:
                tone = pick(rng, ((0.60, 0.28, 0.20), (0.22, 0.36, 0.52), (0.75, 0.73, 0.68), (0.30, 0.42, 0.34), (0.66, 0.50, 0.24)), 0.06)
                canvas.polygon(plot.box(across, along, 6.1, 2.4), tone, class_id=LAND, height_m=2.6 * rng.integers(1, 3), texture=0.03)


def building_site(canvas: Canvas, rng: np.random.Generator, plot: Plot) -> None:
    """Draw a lot under construction (unlabelled): broken ground, a slab with column stubs, stacks and huts."""
    w, d = plot.width_m, plot.depth_m
    canvas.polygon(plot.corners, pick(rng, ((0.60, 0.58, 0.55), (0.66, 0.63, 0.59), (0.55, 0.53, 0.51))), class_id=UNLABELLED, texture=0.12)
    canvas.line(np.concatenate([plot.corners, plot.corners[:1]]), (0.70, 0.72, 0.74), width_m=0.3, height_m=1.8)
    slab = (-w * 0.3, d * 0.28, w * 0.6, d * 0.45)
    canvas.polygon(plot.box(*slab), (0.70, 0.70, 0.69), class_id=UNLABELLED, height_m=0.6, texture=0.05)
    for x in np.arange(slab[0] + 0.8, slab[0] + slab[2] - 0.5, 2.9):
        for y in np.arange(slab[1] + 0.8, slab[1] + slab[3] - 0.5, 2.9):
            canvas.polygon(plot.box(x, y, 0.6, 0.6), (0.50, 0.50, 0.50), class_id=UNLABELLED, height_m=2.6)
    for _ in range(rng.integers(5, 14)):
        size = rng.uniform(0.8, 3.0, 2)
        tone = pick(rng, ((0.72, 0.60, 0.42), (0.45, 0.30, 0.24), (0.82, 0.82, 0.80), (0.36, 0.37, 0.40), (0.22, 0.36, 0.55)))
        canvas.polygon(
            plot.box(rng.uniform(-w / 2 + 0.5, w / 2 - 3), rng.uniform(0.5, d - 3.5), *size),
            tone,
            class_id=UNLABELLED,
            height_m=float(rng.uniform(0.4, 2.2)),
        )
