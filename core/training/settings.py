"""What a training run can be told; no Keras in here, so that pages can import it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from core.errors import SettingsError
from core.training.augmentation import Augmentation

LOSSES = (
    "dice_focal", "cross_entropy", "focal", "dice", "tversky", "lovasz", "dice_cross_entropy", "tversky_focal", "lovasz_cross_entropy",
)  # fmt: skip
CLASS_WEIGHTS = ("none", "inverse", "median", "effective")
OPTIMIZERS = ("adam", "adamw", "sgd")
SCHEDULES = ("constant", "cosine", "step", "plateau")
SAMPLINGS = ("uniform", "balanced")
MONITORS = ("val_mean_iou", "val_accuracy", "val_loss", "loss")
MIXED = ("auto", "on", "off")


@dataclass(frozen=True)
class TrainSettings:
    """Settings of one training run; every field is checked when the object is made.

    `encoder` None means the architecture's own encoder. `weights` is "none", "imagenet", a file of encoder weights, or
    a model (name, folder or file) to start from. `learning_rate` is the highest one; `schedule` lowers it from epoch
    to epoch after `warmup_epochs` of a linear rise. `patience` epochs without a better `monitor` end the run, 0 never
    does. `steps_per_epoch` None means each training patch once per epoch. `augmentation` holds the strengths of the
    changes that `augment` switches on. `per_class`: one network for each class against the rest, merged by probability.
    `average_weights`: momentum of a moving average of the weights, taken in every step, that is validated and kept
    instead of the last weights; 0 for none (Polyak and Juditsky 1992).
    Raises SettingsError.
    """

    architecture: str = "unet"
    encoder: str | None = None
    weights: str = "none"
    epochs: int = 30
    batch_size: int = 8
    learning_rate: float = 1e-3
    loss: str = "dice_focal"
    class_weights: str = "none"
    augment: bool = True
    patience: int = 8
    seed: int = 0
    filters: tuple[int, ...] | None = None
    dropout: float = 0.1
    optimizer: str = "adam"
    schedule: str = "constant"
    warmup_epochs: int = 0
    weight_decay: float = 1e-4
    clip_norm: float | None = None
    monitor: str = "val_mean_iou"
    sampling: str = "uniform"
    steps_per_epoch: int | None = None
    mixed_precision: str = "auto"
    name: str | None = None
    augmentation: Augmentation = Augmentation()
    per_class: bool = False
    average_weights: float = 0.0

    def __post_init__(self):
        if isinstance(self.augmentation, Mapping):
            object.__setattr__(self, "augmentation", Augmentation.from_dict(self.augmentation))
        if self.filters is not None:
            object.__setattr__(self, "filters", tuple(int(value) for value in self.filters))
        _choice("loss", self.loss, LOSSES)
        _choice("class_weights", self.class_weights, CLASS_WEIGHTS)
        _choice("optimizer", self.optimizer, OPTIMIZERS)
        _choice("schedule", self.schedule, SCHEDULES)
        _choice("sampling", self.sampling, SAMPLINGS)
        _choice("monitor", self.monitor, MONITORS)
        _choice("mixed_precision", self.mixed_precision, MIXED)
        for name in ("augment", "per_class"):
            if not isinstance(getattr(self, name), bool):
                raise SettingsError(f"{name} {getattr(self, name)!r}", expected="true or false", do=f"Change {name}")
        _whole("epochs", self.epochs, 1, 100_000)
        _whole("batch_size", self.batch_size, 1, 4096)
        _whole("patience", self.patience, 0, 100_000)
        _whole("seed", self.seed, 0, 2**31 - 1)
        _whole("warmup_epochs", self.warmup_epochs, 0, 100_000)
        if self.steps_per_epoch is not None:
            _whole("steps_per_epoch", self.steps_per_epoch, 1, 10_000_000)
        _number("learning_rate", self.learning_rate, 1e-9, 100.0)
        _number("dropout", self.dropout, 0.0, 0.9)
        _number("weight_decay", self.weight_decay, 0.0, 1.0)
        _number("average_weights", self.average_weights, 0.0, 0.99999)
        if self.clip_norm is not None:
            _number("clip_norm", self.clip_norm, 1e-9, 1e9)
        if self.filters is not None and (not 2 <= len(self.filters) <= 8 or min(self.filters) < 1):
            raise SettingsError(
                f"filters {list(self.filters)}", expected="2 to 8 positive numbers, from the finest level down", do="Change filters"
            )
        if not self.weights:
            raise SettingsError("an empty weights setting", expected='"none", "imagenet", a file or a model', do="Change weights")

    def to_dict(self) -> dict[str, Any]:
        """The settings as plain values, for JSON."""
        value = asdict(self)
        value["filters"] = None if self.filters is None else list(self.filters)
        return value

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> TrainSettings:
        """Read what `to_dict` wrote. Raises SettingsError for an unknown name."""
        known = [item.name for item in fields(cls)]
        strangers = sorted(set(value) - set(known))
        if strangers:
            raise SettingsError(f"unknown training settings {strangers}", expected=f"some of {known}", do="Remove or rename them")
        return cls(**value)


def _choice(name: str, value: Any, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise SettingsError(f"{name} {value!r}", expected="one of " + ", ".join(allowed), do=f"Change {name}")


def _whole(name: str, value: Any, low: int, high: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise SettingsError(f"{name} {value!r}", expected=f"a whole number from {low} to {high}", do=f"Change {name}")


def _number(name: str, value: Any, low: float, high: float) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not low <= value <= high:
        raise SettingsError(f"{name} {value!r}", expected=f"a number from {low:g} to {high:g}", do=f"Change {name}")
