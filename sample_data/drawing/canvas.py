"""A drawing board that keeps colour, height and class of each pixel together, in metres."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

from sample_data.drawing import fields

Colour = Sequence[float]
_SUPERSAMPLING = 4


class Canvas:
    """Ground colour (h, w, 3) float32, height and soft relief (h, w) in metres, and class ids (h, w) uint8.

    Points are (n, 2) arrays of x, y in metres from the upper left corner; drawing changes the board in place.
    """

    def __init__(self, seed: int, shape: tuple[int, int], *, gsd_m: float, ground_id: int) -> None:
        self.shape, self.gsd_m = shape, gsd_m
        self.colour = np.zeros((*shape, 3), dtype=np.float32)
        self.height = np.zeros(shape, dtype=np.float32)
        self.relief = np.zeros(shape, dtype=np.float32)
        self.ids = np.full(shape, ground_id, dtype=np.uint8)
        rng = fields.generator(seed, 901)
        self.grain = fields.fractal(rng, shape, 2.2, octaves=2)
        self.mottle = fields.fractal(rng, shape, 14.0, octaves=3)
        self.patchy = fields.fractal(rng, shape, 70.0, octaves=3)

    @property
    def size_m(self) -> tuple[float, float]:
        """Width and height of the board in metres."""
        return self.shape[1] * self.gsd_m, self.shape[0] * self.gsd_m

    def pixel_grid(self, box: tuple[slice, slice]) -> tuple[np.ndarray, np.ndarray]:
        """Return x and y in metres of the pixel centres inside a box."""
        y = (np.arange(box[0].start, box[0].stop) + 0.5) * self.gsd_m
        x = (np.arange(box[1].start, box[1].stop) + 0.5) * self.gsd_m
        return np.meshgrid(x, y)

    def box(self, points: np.ndarray, margin_m: float = 0.6) -> tuple[slice, slice] | None:
        """Return the slices that cover the points with a margin, or None when they lie off the board."""
        low = np.floor((points.min(axis=0) - margin_m) / self.gsd_m).astype(int)
        high = np.ceil((points.max(axis=0) + margin_m) / self.gsd_m).astype(int)
        x0, y0 = max(low[0], 0), max(low[1], 0)
        x1, y1 = min(high[0], self.shape[1]), min(high[1], self.shape[0])
        return None if x0 >= x1 or y0 >= y1 else (slice(y0, y1), slice(x0, x1))

    def coverage(self, points: np.ndarray, box: tuple[slice, slice], *, line_m: float | None = None) -> np.ndarray:
        """Return how much of each pixel in the box a polygon (or a closed line of that width) covers, 0..1."""
        scale = _SUPERSAMPLING
        height, width = box[0].stop - box[0].start, box[1].stop - box[1].start
        image = Image.new("L", (width * scale, height * scale), 0)
        draw = ImageDraw.Draw(image)
        local = (points / self.gsd_m - [box[1].start, box[0].start]) * scale - 0.5
        flat = [tuple(p) for p in local]
        if line_m is None:
            draw.polygon(flat, fill=255)
        else:
            draw.line(flat, fill=255, width=max(int(round(line_m / self.gsd_m * scale)), 1), joint="curve")
        return np.asarray(image.reduce(scale), dtype=np.float32) / 255.0

    def paint(
        self,
        box: tuple[slice, slice],
        cover: np.ndarray,
        colour: Colour | np.ndarray,
        *,
        class_id: int | None = None,
        height_m: float | np.ndarray | None = None,
        texture: float = 0.03,
    ) -> None:
        """Lay a colour over the box by coverage; class and height change where coverage is at least one half."""
        rough = 1.0 + texture * (self.grain[box] + 0.45 * self.mottle[box] + 0.6 * self.patchy[box])
        target = np.asarray(colour, dtype=np.float32) * rough[..., None]
        self.colour[box] = fields.mix(self.colour[box], target, cover)
        solid = cover >= 0.5
        if class_id is not None:
            self.ids[box][solid] = class_id
            self.relief[box][solid] = 0.0
        if height_m is not None:
            values = height_m[solid] if isinstance(height_m, np.ndarray) else height_m
            self.height[box][solid] = values

    def polygon(self, points: np.ndarray, colour: Colour, *, alpha: float = 1.0, **paint) -> None:
        """Fill a polygon; further arguments as in `paint`."""
        box = self.box(points)
        if box is not None:
            self.paint(box, alpha * self.coverage(points, box), colour, **paint)

    def line(self, points: np.ndarray, colour: Colour, *, width_m: float, alpha: float = 1.0, **paint) -> None:
        """Draw an open line of a width in metres; further arguments as in `paint`."""
        box = self.box(points, width_m)
        if box is not None:
            self.paint(box, alpha * self.coverage(points, box, line_m=width_m), colour, **paint)

    def disc(self, centre: np.ndarray, radius_m: float, colour: Colour, **paint) -> None:
        """Fill a disc; further arguments as in `paint`."""
        centre = np.asarray(centre, dtype=float)
        box = self.box(centre[None], radius_m + 1.0)
        if box is not None:
            x, y = self.pixel_grid(box)
            distance = np.hypot(x - centre[0], y - centre[1]) - radius_m
            self.paint(box, np.clip(0.5 - distance / self.gsd_m, 0, 1).astype(np.float32), colour, **paint)

    def crown(
        self,
        centre: np.ndarray,
        radius_m: float,
        rng: np.random.Generator,
        *,
        colour: Colour,
        height_m: float,
        class_id: int | None,
        palm: bool = False,
    ) -> None:
        """Draw the crown of a tree or palm seen from above, with lumps that catch the light."""
        centre = np.asarray(centre, dtype=float)
        box = self.box(centre[None], radius_m * 1.3 + 0.6)
        phase, size = rng.random(4) * 2 * np.pi, 0.5 + rng.random(4)
        if box is None:
            return
        x, y = self.pixel_grid(box)
        x, y = x - centre[0], y - centre[1]
        angle, distance = np.arctan2(y, x), np.hypot(x, y)
        if palm:
            fronds = 7 + int(4 * size[0]) % 4
            reach = radius_m * (0.35 + 0.75 * np.abs(np.cos(fronds * angle / 2 + phase[0])) ** 1.6)
        else:
            wobble = sum(s * np.cos((k + 2) * angle + p) for k, (s, p) in enumerate(zip(size, phase, strict=True)))
            reach = radius_m * (1.0 + 0.07 * wobble)
        inside = 1.0 - distance / np.maximum(reach, 1e-3)
        cover = np.clip(inside * radius_m / self.gsd_m + 0.5, 0, 1).astype(np.float32)
        dome = np.sqrt(np.clip(1 - (distance / (radius_m * 1.15)) ** 2, 0, 1))
        lumps = 0.5 * self.grain[box] + 0.35 * self.mottle[box]
        shade = (0.78 + 0.28 * dome + 0.10 * lumps)[..., None]
        self.paint(box, cover, np.asarray(colour, dtype=np.float32) * shade, class_id=class_id, texture=0.05)
        solid = cover >= 0.5
        crown = (height_m * (0.55 + 0.45 * dome)).astype(np.float32)
        self.height[box][solid] = np.maximum(self.height[box], crown)[solid]
        self.relief[box][solid] = (0.55 * height_m * dome + 0.12 * radius_m * lumps).astype(np.float32)[solid]

    def light(self, azimuth_deg: float, *, elevation_deg: float, sky: Colour = (0.40, 0.45, 0.53)) -> np.ndarray:
        """Return the sunlit board (h, w, 3): slopes shaded, shadows cast, shadows lit by the sky alone."""
        slope = np.clip(fields.hillshade(self.relief, azimuth_deg, gsd_m=self.gsd_m), -0.9, 0.9)
        blocked = fields.cast_shadows(self.height, azimuth_deg, elevation_deg=elevation_deg, gsd_m=self.gsd_m)
        sun = (1.0 + 0.42 * slope) * (1.0 - blocked)
        ambient = np.asarray(sky, dtype=np.float32)
        return self.colour * (ambient + sun[..., None] * (1.0 - ambient)).astype(np.float32)
