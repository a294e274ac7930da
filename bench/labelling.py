"""What painted strokes teach on tiles that the model was not trained on, by strokes that a program draws.

    python bench/labelling.py [--model FOLDER] [--held-out "Tile 1,Tile 2"] [--seeds 3] [--strokes 1,3,8] [--every 3]
                              [--dubai FOLDER] [--out FOLDER] [--only scores|others|times|usual]

scores   mean IoU of the model alone, of 1, 3 and 8 strokes a class without and with the model, and of the usual way: scikit-image's
         multiscale features and a random forest alone; mean over tiles and seeds, and the worst of them beside the model alone
others   what else was tried in place of each part: other classifiers on the same features, the strokes' word without the model's as a
         prior, other weights of it, and one class that nobody painted, its pixels kept as the model has them or taught by its sure ones
times    processor seconds: features of a window of 1400 x 700 pixels, a fit, and the window's answer with features at hand, at full
         resolution and by every second pixel
usual    the sample's town, strokes alone, against scikit-image's features and a random forest: processor seconds of features, fit and
         answer of the whole scene, and mean IoU; only when asked for, and then without the Dubai set and a model

Strokes are random walks of at most 40 pixels, 3 wide, well inside the areas of a class, as many of each class that has 0.5 % of a tile.
Painted pixels are not scored. The model has to be one that did not see the tiles: by default that of `bench/dubai.py lite --folds 1+2`.
Predictions and features are kept in --out. Cap the threads from outside (`taskset`, `OMP_NUM_THREADS`).
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import shapely
from scipy.ndimage import distance_transform_edt

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from bench.dubai import LITE_SEEN_AT, equalised, stitched  # noqa: E402
from bench.records import keep  # noqa: E402
from bench.train_models import core  # noqa: E402
from core.confusion import Confusion  # noqa: E402
from core.datasets.datasets import open_dataset  # noqa: E402
from core.datasets.pairs import Pair  # noqa: E402
from core.labelling.answer import Answer, learn  # noqa: E402
from core.labelling.features import SceneFeatures  # noqa: E402
from core.labelling.samples import take  # noqa: E402
from core.labelling.strokes import Stroke, covering  # noqa: E402
from core.prediction.folder.rasters import PREDICTION_FILE, Prediction  # noqa: E402
from core.scenes.scene import Window, windows_of  # noqa: E402
from core.workspace import default_workspace  # noqa: E402

LONGEST_PX, WIDTH_PX, LEAST_SHARE = 40, 3.0, 0.005
VIEW = Window(0, 0, 700, 1400)
USUAL = "scikit-image's features and a random forest"
USUAL_SCENE = "harbour"


@dataclass(frozen=True, eq=False)
class Tile:
    """One held-out tile: its picture and labels, the model's answer, and features without and with it."""

    pair: Pair
    scheme: object
    prediction: Prediction | None
    cache: Path

    @cached_property
    def labels(self) -> np.ndarray:
        return self.pair.labels(self.scheme, self.pair.image.window)

    @cached_property
    def alone(self) -> SceneFeatures:
        return SceneFeatures(self.pair.image, cache=self.cache)

    @cached_property
    def both(self) -> SceneFeatures:
        return SceneFeatures(self.pair.image, prediction=self.prediction, cache=self.cache)

    @cached_property
    def usual(self) -> np.ndarray:
        """scikit-image's features float16 (h, w, F) of the whole picture."""
        from skimage.feature import multiscale_basic_features

        return multiscale_basic_features(self.pair.image.read(), sigma_min=1, sigma_max=16, channel_axis=-1).astype(np.float16)

    @cached_property
    def depths(self) -> dict[int, np.ndarray]:
        """How deep in its class each pixel lies, of the classes that are not rare."""
        inside = {k: self.labels == k for k in range(len(self.scheme))}
        return {k: distance_transform_edt(own) for k, own in inside.items() if own.mean() >= LEAST_SHARE}

    def draw(self, seed: int, strokes: int) -> list[Stroke]:
        """Random walks well inside each class."""
        rng, drawn = np.random.default_rng((seed, self.labels.size)), []
        for k, depth in self.depths.items():
            rows, cols = np.nonzero(depth > (4 if (depth > 4).sum() > 200 else 2))
            drawn += [self._walk(rng, k, depth, rows, cols) for _ in range(strokes)]
        return drawn

    def _walk(self, rng: np.random.Generator, k: int, depth: np.ndarray, rows: np.ndarray, cols: np.ndarray) -> Stroke:
        j, angle, points = rng.integers(len(rows)), rng.uniform(0, 2 * np.pi), []
        y, x = rows[j] + 0.5, cols[j] + 0.5
        for _ in range(LONGEST_PX):
            if not (0 <= y < depth.shape[0] and 0 <= x < depth.shape[1]) or depth[int(y), int(x)] <= 1.5:
                break
            points.append((x, y))
            angle += rng.normal(0, 0.15)
            y, x = y + np.sin(angle), x + np.cos(angle)
        return Stroke(self.scheme.names[k], shapely.LineString(points) if len(points) > 1 else shapely.Point(points[0]), WIDTH_PX)

    def scored(self, strokes: Sequence[Stroke], every: int, answer: Callable[[Window], np.ndarray]) -> float:
        """Mean IoU over each `every`-th pixel that is labelled and not painted; `answer(window)` gives class ids of those pixels."""
        truth, said = [], []
        for window in windows_of(*self.labels.shape, 256 * every):
            painted = covering(strokes, window)[::every, ::every] >= 0
            here = self.labels[window.slices][::every, ::every]
            use = ~painted & (here < len(self.scheme))
            truth.append(here[use])
            said.append(answer(window)[use])
        return Confusion.empty(len(self.scheme)).add(np.concatenate(truth), np.concatenate(said)).mean_iou


def tiles_of(args: argparse.Namespace) -> list[Tile]:
    """The held-out tiles, each as one picture, with the predictions that are missing made first."""
    mosaics = stitched(equalised(args.dubai, args.out / "tiles"), args.out / "mosaics")
    dataset, tiles = open_dataset(mosaics), []
    for pair in dataset.pairs:
        if pair.group not in args.held_out.split(","):
            continue
        folder = args.out / f"prediction-{pair.group}"
        if not (folder / PREDICTION_FILE).exists():
            core("predict", str(args.model), str(pair.image.path), str(folder), "--scales", LITE_SEEN_AT)
        tiles.append(Tile(pair, dataset.scheme, Prediction.open(folder), args.out / "features"))
    return tiles


def of_answer(answer: Answer, every: int) -> Callable[[Window], np.ndarray]:
    return lambda window: answer.probabilities(window, every=every).argmax(axis=-1)


def of_classes(predict: Callable[[np.ndarray], np.ndarray], features: SceneFeatures, every: int) -> Callable[[Window], np.ndarray]:
    """Class ids of windows from a function of features (n, F)."""

    def answer(window: Window) -> np.ndarray:
        values = features.read(window, every=every)
        return predict(values.reshape(-1, values.shape[-1]).astype(np.float32)).reshape(values.shape[:2])

    return answer


class Table:
    """Scores by row, each beside the model alone on the same tile."""

    def __init__(self, title: str):
        self.title, self.rows = title, {}

    def add(self, row: str, tile: Tile, score: float, model: float) -> None:
        self.rows.setdefault(row, []).append((tile.pair.group, score, score - model))

    def print(self) -> None:
        groups = sorted({group for ones in self.rows.values() for group, _, _ in ones})
        print(f"\n| {' | '.join([self.title, 'mean IoU', *groups, 'beside the model', 'worst'])} |")
        print("|---" * (len(groups) + 4) + "|")
        for row, ones in self.rows.items():
            mean, beside = np.mean([score for _, score, _ in ones]), [more for _, _, more in ones]
            by_group = [np.mean([score for group, score, _ in ones if group == wanted]) for wanted in groups]
            words = " | ".join(f"{value:.3f}" for value in (mean, *by_group))
            print(f"| {row} | {words} | {np.mean(beside):+.3f} | {min(beside):+.3f} |", flush=True)


def runs(tiles: Sequence[Tile], args: argparse.Namespace, strokes: Sequence[int]) -> Iterator[tuple[Tile, int, int, list[Stroke], float]]:
    """Each tile, number of strokes and seed, with the strokes drawn and the model's own score beside them."""
    for count in strokes:
        for tile in tiles:
            for seed in range(args.seeds):
                drawn = tile.draw(seed, count)
                said = lambda window, tile=tile: tile.prediction.labels(window)[:: args.every, :: args.every]  # noqa: E731
                yield tile, count, seed, drawn, tile.scored(drawn, args.every, said)


def scores(tiles: Sequence[Tile], args: argparse.Namespace) -> None:
    """Print the table that the work is judged by."""
    table, every = Table("strokes a class"), args.every
    for tile, count, seed, drawn, model in runs(tiles, args, args.counts):
        table.add("the model alone", tile, model, model)
        for name, features in (("strokes alone", tile.alone), ("strokes and model", tile.both)):
            answer = learn(features, drawn, tile.scheme, seed=seed)
            table.add(f"{count} {name}", tile, tile.scored(drawn, every, of_answer(answer, every)), model)
        usual = UsualWay(tile, drawn, seed)
        table.add(f"{count} scikit-image and a random forest", tile, tile.scored(drawn, every, usual.window(every)), model)
    table.print()


class UsualWay:
    """scikit-image's features of the whole picture and a random forest of scikit-learn."""

    def __init__(self, tile: Tile, strokes: Sequence[Stroke], seed: int):
        from sklearn.ensemble import RandomForestClassifier

        self.values = tile.usual
        rows, cols = np.nonzero((owner := covering(strokes, tile.pair.image.window)) >= 0)
        ids = np.array([tile.scheme.names.index(one.class_name) for one in strokes])[owner[rows, cols]]
        forest = RandomForestClassifier(60, min_samples_leaf=2, class_weight="balanced_subsample", n_jobs=2, random_state=seed)
        self.forest = forest.fit(self.values[rows, cols].astype(np.float32), ids)

    def window(self, every: int) -> Callable[[Window], np.ndarray]:
        def answer(window: Window) -> np.ndarray:
            values = self.values[window.slices][::every, ::every]
            return self.forest.predict(values.reshape(-1, values.shape[-1]).astype(np.float32)).reshape(values.shape[:2])

        return answer


def classifiers(seed: int) -> dict[str, object]:
    """Other classifiers on the same features."""
    from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.neural_network import MLPClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return {
        "random forest": RandomForestClassifier(60, min_samples_leaf=2, class_weight="balanced_subsample", n_jobs=2, random_state=seed),
        "gradient boosting": HistGradientBoostingClassifier(max_iter=40, class_weight="balanced", random_state=seed),
        "logistic regression": make_pipeline(StandardScaler(), LogisticRegression(C=0.1, class_weight="balanced", max_iter=300)),
        "small network": make_pipeline(StandardScaler(), MLPClassifier((48,), alpha=1, max_iter=60, random_state=seed)),
    }


def others(tiles: Sequence[Tile], args: argparse.Namespace) -> None:
    """Print what other choices give."""
    every = args.every
    for count in args.counts:
        table, costs = Table(f"{count} strokes, instead"), {}
        for tile, _, seed, drawn, model in runs(tiles, args, [count]):
            samples = take(tile.both, drawn, tile.scheme.names, seed=seed)
            answer = learn(tile.both, drawn, tile.scheme, seed=seed, samples=samples)
            table.add("as it is", tile, tile.scored(drawn, every, of_answer(answer, every)), model)
            for weight in (0.5, 1.0, 2.0, 4.0):
                other = replace(answer, weight=weight)
                table.add(f"the strokes' word to the power {weight:g}", tile, tile.scored(drawn, every, of_answer(other, every)), model)
            said = lambda values, fitted=answer.fitted: fitted.probabilities(values).argmax(axis=-1)  # noqa: E731
            table.add("without the model as a prior", tile, tile.scored(drawn, every, of_classes(said, tile.both, every)), model)
            for name, one in classifiers(seed).items():
                begun = time.process_time()
                one.fit(samples.values.astype(np.float32), samples.ids)
                fitted = time.process_time()
                score = tile.scored(drawn, every, of_classes(one.predict, tile.both, every))
                costs.setdefault(name, []).append((fitted - begun, time.process_time() - fitted))
                table.add(f"{name}, alone", tile, score, model)
            unpainted(tile, seed, drawn, model, table, every)
        table.print()
        for name, ones in costs.items():
            print(f"{name}: fit {np.mean([fit for fit, _ in ones]):.2f} s, answer of a tile {np.mean([said for _, said in ones]):.1f} s")


def unpainted(tile: Tile, seed: int, strokes: Sequence[Stroke], model: float, table: Table, every: int) -> None:
    """Scores where one class in turn was not painted, and the mean over the classes."""
    kept = {"as it is": [], "its pixels kept as the model has them": [], "as if it were not there": []}
    for name in {one.class_name for one in strokes}:
        fewer = [one for one in strokes if one.class_name != name]
        samples = take(tile.both, fewer, tile.scheme.names, seed=seed)
        own = samples.strokes >= 0
        mine = replace(samples, values=samples.values[own], ids=samples.ids[own], strokes=samples.strokes[own])
        answers = [learn(tile.both, fewer, tile.scheme, seed=seed, samples=one) for one in (samples, mine)]
        for how, answer in zip(kept, answers, strict=False):
            kept[how].append(tile.scored(fewer, every, of_answer(answer, every)))
        without = answers[1]

        def only(window: Window, without: Answer = without) -> np.ndarray:
            found = without.probabilities(window, every=every)
            return np.array(without.told)[found[..., list(without.told)].argmax(axis=-1)]

        kept["as if it were not there"].append(tile.scored(fewer, every, only))
    for how, found in kept.items():
        table.add(f"a class unpainted, {how}", tile, float(np.mean(found)), model)


def times(tiles: Sequence[Tile], args: argparse.Namespace) -> None:
    """Print processor seconds of what a person waits for."""
    tile = tiles[0]
    drawn = tile.draw(0, 8)
    fresh = SceneFeatures(tile.pair.image, prediction=tile.prediction)
    view = VIEW.intersect(fresh.scene.window)
    samples = take(tile.both, drawn, tile.scheme.names)
    learn(tile.both, drawn, tile.scheme, samples=samples).probabilities(view)  # compiles, and fills the cache
    found = {}
    work = {
        "features of the window, made": lambda: fresh.read(view),
        "fit of 8 strokes a class": lambda: found.update(answer=learn(tile.both, drawn, tile.scheme, samples=samples)),
        "the window's answer, features at hand": lambda: found["answer"].probabilities(view),
        "the same by every second pixel": lambda: found["answer"].probabilities(view, every=2),
    }
    print(f"\n| {view.width} x {view.height} pixels, {fresh.count} features, {len(samples.ids):,} painted pixels | processor s | clock s |")
    print("|---|---|---|")
    for name, job in work.items():
        repeats = []
        for _ in range(1 if "made" in name else 5):
            clock, processor = time.perf_counter(), time.process_time()
            job()
            repeats.append((time.process_time() - processor, time.perf_counter() - clock))
        print(f"| {name} | {min(one for one, _ in repeats):.2f} | {min(one for _, one in repeats):.2f} |", flush=True)


def against_the_usual(args: argparse.Namespace) -> None:
    """Print what strokes alone give on a sample scene, ours and the usual way in turn."""
    dataset = open_dataset(ROOT / "sample_data" / "town")
    pair = next(pair for pair in dataset.pairs if pair.name == USUAL_SCENE)
    learn_once = Tile(pair, dataset.scheme, None, args.out)
    learn(SceneFeatures(pair.image), learn_once.draw(0, 1), dataset.scheme).probabilities(Window(0, 0, 256, 256))  # compiles
    for count in args.counts:
        found = {"ours": [], "theirs": []}
        for seed in range(args.seeds):
            tile = Tile(pair, dataset.scheme, None, args.out)
            drawn = tile.draw(seed, count)
            begun = time.process_time()
            answer = learn(SceneFeatures(pair.image), drawn, tile.scheme, seed=seed)
            said = answer.probabilities(pair.image.window).argmax(axis=-1)
            found["ours"].append((time.process_time() - begun, whole_score(tile, drawn, said)))
            begun = time.process_time()
            said = UsualWay(tile, drawn, seed).window(1)(pair.image.window)
            found["theirs"].append((time.process_time() - begun, whole_score(tile, drawn, said)))
        (seconds, score), (their_seconds, their_score) = (np.mean(ones, axis=0) for ones in found.values())
        what = f"{count} strokes a class on {pair.shape[0]} x {pair.shape[1]} pixels"
        print(
            f"{what}: {seconds:.1f} s, mean IoU {score:.3f}; scikit-image and a random forest {their_seconds:.1f} s, {their_score:.3f}",
            flush=True,
        )
        keep(what, "processor s", seconds, USUAL, their_seconds, key="usual")
        keep(what, "mean IoU", score, USUAL, their_score)


def whole_score(tile: Tile, strokes: Sequence[Stroke], said: np.ndarray) -> float:
    """Mean IoU of class ids (h, w) of a whole tile, painted pixels left out."""
    return tile.scored(strokes, 1, lambda window: said[window.slices])


def main() -> None:
    """Print the tables that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, default=default_workspace().root / "recipes" / "dubai" / "lite-1+2-0")
    parser.add_argument("--held-out", default="Tile 1,Tile 2", help="tiles that the model has not seen, with commas")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--strokes", default="1,3,8", help="numbers of strokes a class, with commas")
    parser.add_argument("--every", type=int, default=3, help="score each so many-th pixel of rows and columns")
    parser.add_argument("--only", choices=["scores", "others", "times", "usual"])
    parser.add_argument("--dubai", type=Path, default=ROOT.parent / "shared" / "data" / "dubai")
    parser.add_argument("--out", type=Path, default=default_workspace().root / "recipes" / "labelling")
    args = parser.parse_args()
    args.counts = [int(one) for one in args.strokes.split(",")]
    if args.only == "usual":
        against_the_usual(args)
        return
    tiles = tiles_of(args)
    for table in (scores, others, times):
        if args.only in (None, table.__name__):
            table(tiles, args)


if __name__ == "__main__":
    main()
