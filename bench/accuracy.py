"""Accuracy for each processor second: what our networks score on held-out Dubai tiles beside what they take.

    python bench/accuracy.py [--size 2048] [--repeat 2]

Scores are those on record in dubai_scores.json: folds of two tiles that were not trained on. Measured here are the processor seconds of a
whole prediction of a picture with real texture, files and all, by each network as it was scored, in turn, least of the repeats.
`bench/all.py` draws both as docs/accuracy.svg.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from html import escape
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from bench.records import Record, keep  # noqa: E402

SCORES = ROOT / "bench" / "dubai_scores.json"
PICTURE = ROOT / "docs" / "accuracy.svg"
UNIT = "processor s"


@dataclass(frozen=True)
class Network:
    """One way to predict: its scores on record, what stands beside its dot, and the model and settings to time it with."""

    scores: str
    title: str
    model: str
    scale: float | None = None
    scales: tuple[float, ...] = ()
    anchor: str = "start"


NETWORKS = (
    # The tutorials' U-Net has the very layers of sample-town, so that what it takes can be told without its weights.
    Network("tutorial", "tutorials' recipe, U-Net of 16 to 256 filters", "sample-town", scale=0.3333),
    Network("ours", "our first recipe, the same network", "sample-town", scale=0.3333),
    Network("fast", "dubai-landcover-fast", "dubai-landcover-fast"),
    Network("lite", "dubai-landcover, three scales", "dubai-landcover", scales=(0.73, 1.0, 1.27), anchor="end"),
)


def folds_of(kind: str, scores: Mapping) -> dict[str, float]:
    """Mean IoU of each held-out fold, over its seeds."""
    return {fold: sum(one["mean_iou"] for one in seeds.values()) / len(seeds) for fold, seeds in scores[kind].items()}


def mean_of(kind: str, scores: Mapping) -> float:
    """Mean IoU over the held-out folds."""
    folds = folds_of(kind, scores)
    return sum(folds.values()) / len(folds)


def headlines(scores: Mapping) -> list[tuple[str, str, str]]:
    """What the README tells of accuracy, of the scores on record and of the card of sample-town: what, result, command."""
    town = json.loads((ROOT / "models" / "sample-town" / "card.json").read_text(encoding="utf-8"))["metrics"]["test"]["mean_iou"]
    lite, fast, tutorial = (mean_of(kind, scores) for kind in ("lite", "fast", "tutorial"))
    return [
        ("`sample-town` on the sample's whole town, never trained on", f"mean IoU {town:.3f}", "`python -m core demo OUT`"),
        (
            "the recipe of `dubai-landcover` on Dubai tiles never trained on, mean of three folds; the tutorials'",
            f"mean IoU {lite:.3f}; {tutorial:.3f}",
            "`python bench/dubai.py lite`, `tutorial`",
        ),
        ("the recipe of `dubai-landcover-fast` there, three folds", f"mean IoU {fast:.3f}", "`python bench/dubai.py lite`"),
    ]


def measure(size: int, repeat: int) -> None:
    """Print and keep what each network takes."""
    from bench.scaling import write_scene
    from core.model_store.models import find_model
    from core.prediction.predict import predict

    with tempfile.TemporaryDirectory() as folder:
        scene, found = Path(folder) / "scene.tif", {}
        write_scene(scene, size)
        for number in range(repeat + 1):  # the first time compiles
            for way in {(one.model, one.scale, one.scales): one for one in NETWORKS}.values():
                model = find_model(way.model)
                model = replace(model, card=replace(model.card, scale=way.scale)) if way.scale else model
                settings = {"scales": way.scales} if way.scales else {}
                begun = time.process_time()
                predict(model, scene, Path(folder) / f"{way.scores}{number}", **settings)
                found.setdefault((way.model, way.scale, way.scales), []).append(time.process_time() - begun)
    for one in NETWORKS:
        seconds = min(found[one.model, one.scale, one.scales][1:])
        mean = mean_of(one.scores, json.loads(SCORES.read_text(encoding="utf-8")))
        print(f"{one.title}: {seconds:.1f} processor seconds for {size} x {size} pixels, mean IoU {mean:.3f} on held-out folds")
        keep(f"{one.title}, {size} x {size} pixels", UNIT, seconds, key=one.scores)


WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 820, 400, 62, 24, 28, 62
STYLE = """<style>text{font:14px system-ui,sans-serif;fill:#1f2a30}.small{font-size:12px;fill:#5b6970}
.grid{stroke:#d9dfe3}.fold{stroke:#15877c;stroke-width:1.5;opacity:.55}.dot{fill:#15877c}@media(prefers-color-scheme:dark){text{fill:#e6edf0}.small{fill:#9fb0b8}.grid{stroke:#37454d}
.fold{stroke:#4fc3b5}.dot{fill:#4fc3b5}}</style>"""


def draw(record: Record, scores: Mapping) -> str:
    """The picture as SVG: processor seconds to the right (each step doubles), mean IoU upwards, a dash for each fold."""
    seconds = {row.key: row.ours for row in record.rows if row.ours}
    shown = [one for one in NETWORKS if one.scores in seconds and one.scores in scores]
    if not shown:
        return f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} 40">{STYLE}<text x="10" y="25">Not measured.</text></svg>\n'
    first = math.floor(math.log2(min(seconds[one.scores] for one in shown)) - 0.2)
    last = max(first + 1, math.ceil(math.log2(max(seconds[one.scores] for one in shown)) + 0.2))
    values = [value for one in shown for value in folds_of(one.scores, scores).values()]
    low, high = math.floor(min(values) * 20) / 20, math.ceil(max(values) * 20) / 20

    def across(value: float) -> float:
        return LEFT + (math.log2(value) - first) / (last - first) * (WIDTH - LEFT - RIGHT)

    def up(value: float) -> float:
        return HEIGHT - BOTTOM - (value - low) / (high - low) * (HEIGHT - TOP - BOTTOM)

    parts = []
    for step in range(round((high - low) * 20) + 1):
        score = low + step / 20
        parts.append(f'<path class="grid" d="M{LEFT} {up(score):.1f}H{WIDTH - RIGHT}"/>')
        parts.append(f'<text class="small" x="{LEFT - 8}" y="{up(score) + 4:.1f}" text-anchor="end">{score:.2f}</text>')
    for power in range(first, last + 1):
        parts.append(f'<path class="grid" d="M{across(2**power):.1f} {TOP}V{HEIGHT - BOTTOM}"/>')
        parts.append(
            f'<text class="small" x="{across(2**power):.1f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{2**power:g} s</text>'
        )
    for one in shown:
        folds = folds_of(one.scores, scores)
        x, mean = across(seconds[one.scores]), mean_of(one.scores, scores)
        parts.extend(f'<path class="fold" d="M{x - 7:.1f} {up(value):.1f}h14"/>' for value in folds.values())
        parts.append(f'<circle class="dot" cx="{x:.1f}" cy="{up(mean):.1f}" r="6"/>')
        beside = x + (13 if one.anchor == "start" else -13)
        words = f"{escape(one.title)}: {mean:.3f}"
        parts.append(f'<text x="{beside:.1f}" y="{up(mean) + 5:.1f}" text-anchor="{one.anchor}">{words}</text>')
    below = "Processor seconds for 2048 x 2048 pixels, start left out. Dots are means over three folds of two tiles, dashes the folds."
    parts.append(f'<text class="small" x="{LEFT}" y="{HEIGHT - 12}">{below}</text>')
    parts.append(f'<text class="small" x="{LEFT}" y="{TOP - 12}">Mean IoU on Dubai tiles never trained on</text>')
    title = "<title>Accuracy of our networks on held-out tiles beside their processor seconds</title>"
    return f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}">{title}{STYLE}\n' + "\n".join(parts) + "\n</svg>\n"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=2048)
    parser.add_argument("--repeat", type=int, default=2)
    asked = parser.parse_args()
    measure(asked.size, asked.repeat)
