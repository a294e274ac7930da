"""Inner loops of an answer: a forest of complete trees, and its word weighed with the model's."""

from __future__ import annotations

import numpy as np

from core.compiling import compiled

_BLOCK = 128
_DOUBT = np.float32(0.03)
"""What a forest gives a class at least: that none of its trees voted for it, or all, does not make it certain."""
_FLOOR = np.float32(1e-3)
"""What a model gives a class at least, so that strokes can speak for it."""


@compiled
def vote(values, features, limits, shares, out):
    """Mean of the trees' shares for values (n, F) into `out` (n, classes), which is zeros; see `Fitted` for the others.

    `values` and `limits` are float16 seen as int16, whose order is that of the numbers once the negative ones are turned round. Level
    by level over blocks of pixels that stay in the cache, so that their ways down do not wait for each other; places are unsigned,
    which spares the question whether they count from the end.
    """
    count, width = values.shape
    trees, nodes = features.shape
    classes = shares.shape[2]
    flat = values.reshape(-1)
    place = np.empty(_BLOCK, np.uint32)
    one, two, first_leaf = np.uint32(1), np.uint32(2), np.uint32(nodes)
    for begin in range(0, count, _BLOCK):
        size = min(_BLOCK, count - begin)
        for tree in range(trees):
            column, limit, leaves = features[tree], limits[tree], shares[tree]
            for i in range(size):
                place[i] = 0
            below = nodes
            while below > 0:
                for i in range(size):
                    node = place[i]
                    value = flat[np.uint64((begin + i) * width) + np.uint64(column[node])]
                    value = np.int16(value ^ ((value >> np.int16(15)) & np.int16(0x7FFF)))
                    place[i] = two * node + one + np.uint32(value > limit[node])
                below //= 2
            for i in range(size):
                leaf = leaves[place[i] - first_leaf]
                for k in range(classes):
                    out[begin + i, k] += leaf[k]
    for i in range(count):
        for k in range(classes):
            out[i, k] /= trees


@compiled
def pool(said, learnt, told, weight, out):
    """Probabilities of S classes into `out` (n, S): the model's `said` (n, K), K <= S, times a power of what strokes taught (n, P).

    `told` (P,) are the ids that the columns of `learnt` stand for. Another class of the model keeps its probability, and those told share
    the rest by said * learnt ** weight; one that the model does not know counts as if it said of it what it says of the others on
    average. Where the model says nothing, and where none of its classes is told, what was learnt stands alone.
    """
    count, known = said.shape
    shared = np.empty(len(told), np.float32)
    theirs = np.zeros(out.shape[1], np.bool_)
    for j in range(len(told)):
        theirs[told[j]] = True
    common = 0
    for k in range(known):
        common += theirs[k]
    for i in range(count):
        total, rest = np.float32(0), np.float32(0)
        for k in range(known):
            total += said[i, k]
            rest += said[i, k] if theirs[k] else np.float32(0)
        alone = total <= 0 or common == 0
        if alone:
            total, rest = np.float32(1), np.float32(1)
        for k in range(out.shape[1]):
            out[i, k] = said[i, k] / total if k < known and not alone else np.float32(0)
        whole = np.float32(0)
        for j in range(len(told)):
            voice = (learnt[i, j] + _DOUBT) ** weight
            if not alone:
                voice *= (said[i, told[j]] if told[j] < known else rest / common) + _FLOOR
            shared[j] = voice
            whole += voice
        for j in range(len(told)):
            out[i, told[j]] = shared[j] / whole * (rest / total)
