"""Losses on class probabilities; pixels whose label is no class never count. `keras.ops` only.

Labels are class ids (n, h, w) and probabilities (n, h, w, K) sum to 1 over K. Every loss is one number for the batch,
differentiable in the probabilities, and 0 for a batch without labelled pixels.
"""

from __future__ import annotations

from collections.abc import Sequence

import keras
from keras import ops

_TINY = 1e-7


def one_hot(labels, classes: int):
    """Float32 (n, h, w, K): 1 at the class of a pixel, all zeros where the label is no class."""
    labels = ops.cast(labels, "int32")
    return ops.cast(ops.equal(ops.expand_dims(labels, -1), ops.arange(classes, dtype="int32")), "float32")


def cross_entropy(truth, probabilities, class_weights=None, focus: float = 0.0):
    """Mean of -(1 - p)^focus log p over labelled pixels, p the probability of the true class; weighted by class if asked.

    `focus` 0 is cross-entropy, 2 the focal loss (Lin et al. 2017). With class weights it is a weighted mean.
    """
    right = ops.sum(truth * probabilities, axis=-1)
    known = ops.sum(truth, axis=-1)
    weight = known if class_weights is None else ops.sum(truth * class_weights, axis=-1)
    loss = -ops.log(right + _TINY)
    if focus:
        loss = loss * ops.power(1.0 - ops.minimum(right, 1.0 - _TINY), focus)
    return ops.sum(loss * weight) / ops.maximum(ops.sum(weight), _TINY)


def tversky(truth, probabilities, class_weights=None, missed: float = 0.5, invented: float = 0.5):
    """Mean over classes in the batch of 1 - TP / (TP + missed FN + invented FP), soft counts (Salehi et al. 2017).

    Both weights 0.5 make it the Dice loss (Milletari et al. 2016).
    """
    known = ops.sum(truth, axis=-1, keepdims=True)
    guess = probabilities * known
    axes = (0, 1, 2)
    hits = ops.sum(truth * guess, axis=axes)
    there = ops.sum(truth, axis=axes)
    score = (hits + _TINY) / (hits + missed * (there - hits) + invented * (ops.sum(guess, axis=axes) - hits) + _TINY)
    present = ops.cast(there > 0, "float32")
    weight = present if class_weights is None else present * class_weights
    return ops.sum((1.0 - score) * weight) / ops.maximum(ops.sum(weight), _TINY)


def lovasz(truth, probabilities, class_weights=None):
    """Lovasz extension of the Jaccard loss (Berman, Triki and Blaschko 2018), mean over the classes in the batch."""
    classes = truth.shape[-1]
    truth = ops.reshape(truth, (-1, classes))
    known = ops.sum(truth, axis=-1, keepdims=True)
    # An ignored pixel gets error 0: sorted last, it adds nothing to the sum of error times gradient.
    errors = ops.abs(truth - ops.reshape(probabilities, (-1, classes))) * known
    total, weights = 0.0, 0.0
    for index in range(classes):
        error, mine = errors[:, index], truth[:, index]
        order = ops.flip(ops.argsort(error), axis=0)
        error, mine, used = ops.take(error, order), ops.take(mine, order), ops.take(known[:, 0], order)
        there = ops.sum(mine)
        left = there - ops.cumsum(mine)
        union = there + ops.cumsum(used - mine)
        jaccard = 1.0 - left / ops.maximum(union, 1.0)
        steps = ops.concatenate([jaccard[:1], jaccard[1:] - jaccard[:-1]])
        weight = ops.cast(there > 0, "float32") * (1.0 if class_weights is None else class_weights[index])
        total = total + weight * ops.sum(error * ops.stop_gradient(steps))
        weights = weights + weight
    return total / ops.maximum(weights, _TINY)


def _focal(truth, probabilities, class_weights):
    return cross_entropy(truth, probabilities, class_weights, focus=2.0)


def _cautious(truth, probabilities, class_weights):
    # Missed pixels weigh more than invented ones, which helps classes with few pixels.
    return tversky(truth, probabilities, class_weights, missed=0.7, invented=0.3)


_PARTS = {
    "cross_entropy": (cross_entropy,),
    "focal": (_focal,),
    "dice": (tversky,),
    "tversky": (_cautious,),
    "lovasz": (lovasz,),
    "dice_focal": (tversky, _focal),
    "dice_cross_entropy": (tversky, cross_entropy),
    "tversky_focal": (_cautious, _focal),
    "lovasz_cross_entropy": (lovasz, cross_entropy),
}


class SegmentationLoss(keras.losses.Loss):
    """The loss called `kind` (a sum of parts), on labels (n, h, w) and probabilities (n, h, w, K), as one number.

    `class_weights`: K positive numbers, None for equal ones.
    """

    def __init__(self, kind: str, class_weights: Sequence[float] | None = None):
        super().__init__(name=kind, reduction="sum_over_batch_size")
        self.parts = _PARTS[kind]
        self.class_weights = None if class_weights is None else [float(value) for value in class_weights]

    def call(self, y_true, y_pred):
        """The loss (1,) of class ids (n, h, w) against probabilities (n, h, w, K)."""
        y_pred = ops.cast(y_pred, "float32")
        truth = one_hot(y_true, y_pred.shape[-1])
        weights = None if self.class_weights is None else ops.convert_to_tensor(self.class_weights, "float32")
        # One value in a list: Keras averages a bare number over the devices of a strategy wrongly, as their sum.
        return ops.reshape(sum(part(truth, y_pred, weights) for part in self.parts), (1,))
