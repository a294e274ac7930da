"""What a training run can be told; no Keras in here, so that pages can import it."""

from __future__ import annotations

from dataclasses import dataclass

from core.errors import SettingsError
from core.model_store.normalisation import SEAMS, WAYS, check_way
from core.settings import Settings, setting
from core.training.augmentation import Augmentation

LOSSES = (
    "dice_focal",
    "cross_entropy",
    "focal",
    "dice",
    "tversky",
    "lovasz",
    "dice_cross_entropy",
    "tversky_focal",
    "lovasz_cross_entropy",
)
CLASS_WEIGHTS = ("none", "inverse", "median", "effective")
OPTIMIZERS = ("adam", "adamw", "sgd")
SCHEDULES = ("constant", "cosine", "step", "plateau")
SAMPLINGS = ("uniform", "balanced", "half")
FREEZES = ("nothing", "statistics", "early", "encoder")
MONITORS = ("val_mean_iou", "val_accuracy", "val_loss", "loss")
MIXED = ("auto", "on", "off")


@dataclass(frozen=True)
class TrainSettings(Settings):
    """Settings of one training run; every field is checked when the object is made.

    `encoder` None means the architecture's own encoder. `weights` is "none", "imagenet", a file of encoder weights, or
    a model (name, folder or file) to start from. `learning_rate` is the highest one; `schedule` lowers it from epoch
    to epoch after `warmup_epochs` of a linear rise. `patience` epochs without a better `monitor` end the run, 0 never
    does. `steps_per_epoch` None means each training patch once per epoch. `augmentation` holds the strengths of the
    changes that `augment` switches on. `per_class`: one network for each class against the rest, merged by probability.
    `average_weights`: momentum of a moving average of the weights, taken in every step, that is validated and kept
    instead of the last weights; 0 for none (Polyak and Juditsky 1992). `freeze`: what of an encoder is left as it started:
    the means and variances of its batch normalisation (statistics), those and all its layers at a quarter of the size and
    finer (early), or all of it; `encoder_rate` is the share of the learning rate that the rest of it gets. Both want an
    encoder. `normalisation`: a word of
    `core.model_store.normalisation.WAYS` with numbers if it takes some.
    Raises SettingsError.
    """

    architecture: str = setting("unet", "the network")
    encoder: str | None = setting(None, "its encoder, for example resnet34; the network's own when left away")
    weights: str = setting("none", "none, imagenet, a file of encoder weights, or a model to start from")
    epochs: int = setting(30, "the most epochs; early stopping may end before", low=1, high=100_000)
    batch_size: int = setting(8, "patches in a step", low=1, high=4096)
    learning_rate: float = setting(1e-3, "the highest learning rate", low=1e-9, high=100.0)
    loss: str = setting("dice_focal", "what is minimised", choices=LOSSES)
    class_weights: str = setting("none", "how rare classes count more", choices=CLASS_WEIGHTS)
    augment: bool = setting(True, "flip, turn and relight the training patches")
    patience: int = setting(8, "epochs without a better value before training ends; 0: never", low=0, high=100_000)
    seed: int = setting(0, "equal seeds give equal runs on a CPU", low=0, high=2**31 - 1)
    filters: tuple[int, ...] | None = setting(None, "channels of each level of the own networks, finest first, for example 16,32,64")
    dropout: float = setting(0.1, "share of channels that are dropped while training", low=0.0, high=0.9)
    optimizer: str = setting("adam", "who takes the steps", choices=OPTIMIZERS)
    schedule: str = setting("constant", "how the learning rate falls", choices=SCHEDULES)
    warmup_epochs: int = setting(0, "epochs in which the learning rate rises", low=0, high=100_000)
    weight_decay: float = setting(1e-4, "of AdamW", low=0.0, high=1.0)
    clip_norm: float | None = setting(None, "the longest gradient", low=1e-9, high=1e9)
    monitor: str = setting("val_mean_iou", "what early stopping and the best weights go by", choices=MONITORS)
    sampling: str = setting(
        "uniform", "whether patches with rare classes appear more often: all draws (balanced) or every second one (half)", choices=SAMPLINGS
    )
    steps_per_epoch: int | None = setting(None, "steps that make an epoch; each patch once when left away", low=1, high=10_000_000)
    mixed_precision: str = setting("auto", "16 bit where the device is good at it", choices=MIXED)
    name: str | None = setting(None, "the model's name; its folder's when left away")
    augmentation: Augmentation = setting(
        Augmentation(), "strengths of the changes, for example hue=0.05,crop=0.3,flips=no; others keep their default"
    )
    per_class: bool = setting(False, "one network for each class against the rest, merged by probability")
    average_weights: float = setting(
        0.0, "momentum of a moving average of the weights that is kept instead of the last ones; 0: none", low=0.0, high=0.99999
    )

    freeze: str = setting("nothing", "what of the encoder stays as it started; early saves a third of the time", choices=FREEZES)
    encoder_rate: float = setting(1.0, "learning rate of the encoder, as a share of that of the rest", low=1e-6, high=1.0)
    normalisation: str = setting(
        "auto",
        "how values are scaled for the network: " + ", ".join(way.word for way in WAYS) + "; as in divide=10000 or image=1,99. "
        "patch shows seams: " + SEAMS,
        metavar="WAY",
    )

    title = "training settings"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.filters is not None and (not 2 <= len(self.filters) <= 8 or min(self.filters) < 1):
            raise SettingsError(
                f"filters {list(self.filters)}", expected="2 to 8 positive numbers, from the finest level down", do="Change filters"
            )
        check_way(self.normalisation)
        if self.freeze != "nothing" and self.weights == "none":
            raise SettingsError(
                f"freeze {self.freeze} with random weights",
                expected="an encoder that has learned something",
                do="Start from imagenet, a file or a model, or freeze nothing",
            )
        if not self.weights:
            raise SettingsError("an empty weights setting", expected='"none", "imagenet", a file or a model', do="Change weights")
