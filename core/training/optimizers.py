"""Optimizers by name, and the learning rate of each epoch."""

from __future__ import annotations

import math
from collections.abc import Collection

import keras

from core.training.settings import TrainSettings

PLATEAU_FACTOR = 0.5
_COSINE_END = 0.01
_STEPS_AT, _STEP_FACTOR = (0.6, 0.85), 0.1


def make_optimizer(settings: TrainSettings, slow: Collection[int] = ()) -> keras.optimizers.Optimizer:
    """Adam, AdamW or SGD with Nesterov momentum 0.9, clipped by the global norm of the gradient and with averages if asked.

    `slow`: positions of the variables, as the optimizer is built with them, that get `settings.encoder_rate` of the rate.
    """
    common = {"learning_rate": settings.learning_rate, "global_clipnorm": settings.clip_norm}
    if settings.average_weights:
        common |= {"use_ema": True, "ema_momentum": settings.average_weights}
    kind = {"adam": keras.optimizers.Adam, "adamw": keras.optimizers.AdamW, "sgd": keras.optimizers.SGD}[settings.optimizer]
    if slow and settings.encoder_rate < 1:
        kind = _slowed(kind, frozenset(slow), settings.encoder_rate)
    if settings.optimizer == "sgd":
        return kind(momentum=0.9, nesterov=True, **common)
    if settings.optimizer == "adam":
        return kind(**common)
    optimizer = kind(weight_decay=settings.weight_decay, **common)
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    return optimizer


def _slowed(kind: type, slow: frozenset[int], share: float) -> type:
    """An optimizer whose steps of some variables are `share` as long; Keras knows one rate for all."""

    class Slowed(kind):
        def update_step(self, gradient, variable, learning_rate):
            here = self._get_variable_index(variable) in slow
            super().update_step(gradient, variable, learning_rate * share if here else learning_rate)

    return Slowed


def learning_rate(settings: TrainSettings, epoch: int, *, plateaus: int = 0) -> float:
    """Learning rate of an epoch (from 0). `plateaus`: how often the monitored score stood still so far."""
    warm = min(settings.warmup_epochs, settings.epochs - 1)
    if epoch < warm:
        return settings.learning_rate * (epoch + 1) / (warm + 1)
    done = (epoch - warm) / max(1, settings.epochs - warm)
    if settings.schedule == "cosine":
        return settings.learning_rate * (_COSINE_END + (1 - _COSINE_END) * 0.5 * (1 + math.cos(math.pi * done)))
    if settings.schedule == "step":
        return settings.learning_rate * _STEP_FACTOR ** sum(done >= place for place in _STEPS_AT)
    if settings.schedule == "plateau":
        return settings.learning_rate * PLATEAU_FACTOR**plateaus
    return settings.learning_rate


def plateau_patience(settings: TrainSettings) -> int:
    """Epochs without a better score after which the plateau schedule lowers the rate: a third of `patience`."""
    return max(2, settings.patience // 3) if settings.patience else 5
