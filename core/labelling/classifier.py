"""The classifier that strokes teach: a forest of shallow, extremely randomised trees (Geurts et al. 2006), each of which saw other strokes.

Pixels of one stroke are nearly the same, so each tree learns from strokes drawn with replacement and is judged by those that it did not
see (Breiman 1996, out-of-bag estimation): a cross-validation over strokes that costs nothing.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from core.labelling.kernels import vote

TREES, DEPTH, LEAF_PX = 40, 8, 5
_AT_ONCE = 1 << 15
NODES, LEAVES = 2**DEPTH - 1, 2**DEPTH


@dataclass(frozen=True, eq=False)
class Fitted:
    """What `fit` learnt: complete trees, node k with its children 2 k + 1 (feature <= threshold) and 2 k + 2.

    `features` int32 and `limits` (trees, nodes), thresholds as `ordered` float16; `shares` float32 (trees, leaves, classes). `held_out`
    float32 (n, classes): what the trees that did not see its stroke say of each sample, NaN where all saw it.
    """

    features: np.ndarray
    limits: np.ndarray
    shares: np.ndarray
    held_out: np.ndarray

    def probabilities(self, values: np.ndarray) -> np.ndarray:
        """float32 (..., classes) of features (..., F); anything where they are NaN."""
        flat = np.ascontiguousarray(values.reshape(-1, values.shape[-1]), np.float16)
        found = np.zeros((len(flat), self.shares.shape[2]), np.float32)

        def part(start: int) -> None:
            rows = slice(start, start + _AT_ONCE)
            vote(flat[rows].view(np.int16), self.features, self.limits, self.shares, found[rows])

        with ThreadPoolExecutor(os.cpu_count()) as threads:
            list(threads.map(part, range(0, len(flat), _AT_ONCE)))
        return found.reshape(*values.shape[:-1], -1)


def fit(values: np.ndarray, ids: np.ndarray, *, classes: int, groups: np.ndarray | None = None, seed: int = 0) -> Fitted:
    """Learn from features (n, F) of painted pixels, their classes (n,) from 0 on, and the stroke (n,) of each, or each pixel for itself.

    Every class weighs the same, however much of it was painted: the answer says what a pixel looks like, not what is frequent.
    """
    from sklearn.tree import ExtraTreeClassifier

    values = np.ascontiguousarray(values, np.float16)
    strokes = np.arange(len(ids)) if groups is None else np.unique(groups, return_inverse=True)[1]
    drawn = np.random.default_rng(seed)
    features, limits = np.zeros((TREES, NODES), np.int32), np.full((TREES, NODES), np.iinfo(np.int16).max, np.int16)
    shares = np.zeros((TREES, LEAVES, classes), np.float32)
    said, judges = np.zeros((len(ids), classes), np.float32), np.zeros(len(ids), np.int64)
    for number, weights in enumerate(_bags(ids, strokes, classes, drawn)):
        seen = weights > 0
        tree = ExtraTreeClassifier(max_depth=DEPTH, min_samples_leaf=LEAF_PX, random_state=int(drawn.integers(1 << 31)))
        tree.fit(values[seen].astype(np.float32), ids[seen], sample_weight=weights[seen])
        _complete(tree, features[number], limits[number], shares[number])
        one = slice(number, number + 1)
        answer = np.zeros((int((~seen).sum()), classes), np.float32)
        vote(values[~seen].view(np.int16), features[one], limits[one], shares[one], answer)
        said[~seen] += answer
        judges += ~seen
    with np.errstate(invalid="ignore"):
        return Fitted(features, limits, shares, said / np.where(judges, judges, np.nan)[:, None].astype(np.float32))


def _bags(ids: np.ndarray, strokes: np.ndarray, classes: int, drawn: np.random.Generator) -> Iterator[np.ndarray]:
    """For each tree the weights (n,) of the samples: strokes of each class drawn with replacement, the classes alike in all."""
    owner = np.zeros(strokes.max() + 1, int)
    owner[strokes] = ids
    members = [np.flatnonzero(owner == k) for k in range(classes)]
    for _ in range(TREES):
        times = np.zeros(len(owner))
        for own in members:
            if len(own):
                np.add.at(times, drawn.choice(own, len(own)), 1)
        weights = times[strokes]
        total = np.bincount(ids, weights, minlength=classes)
        weights = weights / total[ids]
        yield weights / weights.mean()


def ordered(values: np.ndarray) -> np.ndarray:
    """float16 as int16 in the same order: the bits of a negative number but the sign's are turned round."""
    bits = np.asarray(values, np.float16).view(np.int16)
    return bits ^ ((bits >> 15) & 0x7FFF)


def _complete(tree, features: np.ndarray, limits: np.ndarray, shares: np.ndarray) -> None:
    """Write a tree of scikit-learn as a complete one: below a leaf the way goes on to the left, whatever the feature."""
    inner, columns = tree.tree_, tree.classes_
    thresholds = ordered(_at_most(inner.threshold))
    waiting = [(0, 0, 0)]
    while waiting:
        node, place, level = waiting.pop()
        if level == DEPTH:
            shares[place - NODES, columns] = inner.value[node, 0] / inner.value[node, 0].sum()
        elif inner.children_left[node] < 0:
            waiting.append((node, 2 * place + 1, level + 1))
        else:
            features[place], limits[place] = inner.feature[node], thresholds[node]
            waiting.append((inner.children_left[node], 2 * place + 1, level + 1))
            waiting.append((inner.children_right[node], 2 * place + 2, level + 1))


def _at_most(thresholds: np.ndarray) -> np.ndarray:
    """The largest float16 that is not above each threshold, so that float16 features fall on the same side of both."""
    near = thresholds.astype(np.float16)
    return np.where(near > thresholds, np.nextafter(near, np.float16(-np.inf)), near)
