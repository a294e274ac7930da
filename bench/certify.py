"""How much narrower the interval of a map's accuracy is from certified points than from simple random ones, and whether it holds.

    python bench/certify.py --model FOLDER [--tiles "Tile 1,Tile 2"] [--points 100,300] [--audits 1000] [--seeds 0,1,2] [--dubai FOLDER]

Predicts tiles of the Dubai set, which the model must not have seen, and simulates audits of each: points drawn as Certify draws
them, answered by the masks. Beside them the same number of points all over the map with Wilson's interval, and the interval that
classes alone as strata would give, each with points by its area.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from core.claims import scratch
from core.datasets.datasets import open_dataset
from core.datasets.mosaics import find_mosaics
from core.evaluation.certify.estimate import SCORES, certified
from core.evaluation.certify.strata import strata_of
from core.prediction.folder.rasters import Prediction
from core.prediction.predict import predict
from core.scenes.scene import windows_of
from tests.helpers.audits import audited, shares_in, simply_sampled, truth_of


def main() -> None:
    """Print for each tile and number of points how wide intervals are and how often they hold the truth."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True, help="a model that has not seen the tiles")
    parser.add_argument("--tiles", default="Tile 1,Tile 2")
    parser.add_argument("--points", default="100,300")
    parser.add_argument("--audits", type=int, default=1000)
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--dubai", type=Path, default=Path(__file__).resolve().parents[2] / "shared" / "data" / "dubai")
    asked = parser.parse_args()
    dataset = open_dataset(asked.dubai)
    for mosaic in find_mosaics(dataset):
        if mosaic.groups[0] not in asked.tiles.split(","):
            continue
        with scratch() as place:
            predict(asked.model, mosaic.image(), place / "prediction")
            cells = cells_of(Prediction.open(place / "prediction"), mosaic.pair())
        for points in map(int, asked.points.split(",")):
            figures(mosaic.groups[0], cells, points, asked.audits, [int(seed) for seed in asked.seeds.split(",")])


def cells_of(prediction: Prediction, pair) -> np.ndarray:
    """Labelled pixels int64 (K, 256, K) by the class of the map, its confidence level and the true class."""
    classes = len(prediction.scheme)
    cells = np.zeros((classes, 256, classes), np.int64)
    for window in windows_of(prediction.height, prediction.width, 1024):
        truth, ids = pair.labels(prediction.scheme, window), prediction.labels(window)
        known = (truth < classes) & (ids < classes)
        np.add.at(cells, (ids[known], prediction.confidence(window)[known], truth[known]), 1)
    return cells


def figures(name: str, cells: np.ndarray, points: int, audits: int, seeds: list[int]) -> None:
    """Print the figures of one map."""
    strata = strata_of(cells.sum(-1))
    shares = shares_in(strata, cells)
    true = truth_of(strata, shares)
    accuracy = float(true["accuracy"])
    by_class = cells.sum(1)
    weight, right = by_class.sum(1) / by_class.sum(), np.diag(by_class) / np.maximum(by_class.sum(1), 1)
    classes_alone = np.sqrt((weight * right * (1 - right)).sum() / (accuracy * (1 - accuracy)))
    print(f"{name}: accuracy {accuracy:.3f}, {len(strata.pixels)} strata, {points} points, {audits} audits for each seed")
    for seed in seeds:
        found = certified(strata, audited(strata, shares, points, audits, seed))
        low, high = found.low["accuracy"], found.high["accuracy"]
        simple_low, simple_high = simply_sampled(accuracy, points, audits, seed)
        width, simple = (high - low).mean(), (simple_high - simple_low).mean()
        print(
            f"  seed {seed}: ± {width / 2:.2%} against ± {simple / 2:.2%} of simple random points: "
            f"{1 - width / simple:.1%} narrower ({1 - classes_alone:.1%} by classes alone); holds the truth in "
            f"{holds(low, high, accuracy):.1%} (simple: {holds(simple_low, simple_high, accuracy):.1%}); "
            f"mean error {found.value['accuracy'].mean() - accuracy:+.4f}"
        )
    for score in SCORES[1:]:
        held = [f"{holds(found.low[score][:, k], found.high[score][:, k], true[score][k]):.1%}" for k in range(len(weight))]
        print(f"  {score}, by class: the intervals hold the truth in {', '.join(held)}")


def holds(low: np.ndarray, high: np.ndarray, true: float) -> float:
    """How often intervals (A,) hold the truth."""
    return float(((low <= true) & (true <= high)).mean())


if __name__ == "__main__":
    main()
