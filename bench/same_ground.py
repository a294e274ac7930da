"""How many planted overlaps are found, how many pairs that are none, and how long the 54 images of the Dubai tiles take.

    python bench/same_ground.py [--rounds 20] [--dubai ../shared/data/dubai]

Each round plants two crops of each of six grounds that share 30 % of the smaller or more, the second resized by a factor of 0.5 to 2,
turned by a quarter and relit, and looks for the same ground among the twelve. The grounds are drawn, or the six tiles of --dubai.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench.records import keep
from core.datasets.datasets import open_dataset
from core.datasets.mosaics import find_mosaics
from core.datasets.pairs import Pair
from core.datasets.same_ground.overlaps import same_ground
from core.scenes.opening import scene_of_array
from tests.helpers.ground import drawn_ground, plant


def main() -> None:
    """Print a line for each kind of ground, and one for the tiles as they are."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--dubai", type=Path, default=Path(__file__).resolve().parents[2] / "shared" / "data" / "dubai")
    asked = parser.parse_args()
    trials("drawn grounds", lambda number: [drawn_ground(6 * number + k, 800) for k in range(6)], asked.rounds, (240, 420))
    if asked.dubai.is_dir():
        dataset = open_dataset(asked.dubai)
        tiles = [mosaic.image().read() for mosaic in find_mosaics(dataset)]
        trials("Dubai tiles", lambda number: tiles, asked.rounds, (300, 600))
        began, used = time.perf_counter(), time.process_time()
        found = same_ground(dataset.pairs)
        of_processor = time.process_time() - used
        took = f"{time.perf_counter() - began:.0f} s, {of_processor:.0f} s of a processor"
        keep(f"looking for the same ground in {len(dataset.pairs)} Dubai images", "processor s", of_processor)
        print(f"{len(dataset.pairs)} images of the Dubai tiles: {len(found)} pairs of different tiles, {took}")
        for one in found:
            print(f"  {one.first} and {one.second}: {one.pixels:,} pixels")


def trials(title: str, grounds, rounds: int, sides: tuple[int, int]) -> None:
    """Print how many planted pairs were found, how many others, and how far the number of pixels was off."""
    planted = there = false = 0
    off, missed = [], []
    for number in range(rounds):
        rng = np.random.default_rng(number)
        crops = [plant(ground, rng, sides=sides) for ground in grounds(number)]
        pairs = [pair_of(side, f"{k}{name}") for k, one in enumerate(crops) for name, side in (("a", one.first), ("b", one.second))]
        found = {(one.first, one.second): one for one in same_ground(pairs)}
        planted += len(crops)
        for k, one in enumerate(crops):
            seen = found.pop((f"{k}a", f"{k}b"), None)
            if seen is None:
                missed.append(f"share {one.share:.2f}, scale {one.scale:.2f}")
            else:
                there += 1
                off.append(abs(seen.pixels / one.pixels - 1))
        false += len(found)
    keep(f"planted overlaps that are found, {title}", "%", 100 * there / planted)
    keep(f"pairs that are none, {title}", "pairs", false)
    print(
        f"{title}: {there} of {planted} planted overlaps found ({there / planted:.1%}), {false} pairs that are none; pixels off by "
        f"{np.median(off):.1%} in the median, {np.percentile(off, 95):.1%} in 95 of 100"
        + (f"; missed: {'; '.join(missed)}" if missed else ""),
        flush=True,
    )


def pair_of(pixels: np.ndarray, name: str) -> Pair:
    """An image in memory as a pair of its own group."""
    scene = scene_of_array(pixels, name=name)
    return Pair(name, Path(name), None, name, image_opener=lambda: scene)


if __name__ == "__main__":
    main()
