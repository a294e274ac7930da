import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from core.errors import SettingsError
from core.training.augmentation import Augmentation
from core.training.optimizers import learning_rate, plateau_patience
from core.training.settings import TrainSettings

ROOT = Path(__file__).resolve().parents[2]


def test_round_trip_through_json():
    settings = TrainSettings(filters=(8, 16), weights="imagenet", clip_norm=1.0, augmentation=Augmentation(hue=0.1), per_class=True)
    assert TrainSettings.from_dict(json.loads(json.dumps(settings.to_dict()))) == settings


def test_settings_from_before_a_setting_was_there_have_its_default():
    old = {name: value for name, value in TrainSettings().to_dict().items() if name not in ("augmentation", "per_class")}
    assert TrainSettings.from_dict(old) == TrainSettings()
    assert TrainSettings.from_dict({"augmentation": {"hue": 0.2}}).augmentation == Augmentation(hue=0.2)


@pytest.mark.parametrize(
    "change",
    [
        {"epochs": 0},
        {"epochs": 2.5},
        {"batch_size": True},
        {"learning_rate": 0.0},
        {"learning_rate": float("nan")},
        {"loss": "l2"},
        {"class_weights": "some"},
        {"optimizer": "lion"},
        {"schedule": "zigzag"},
        {"filters": (8,)},
        {"filters": (8, 0)},
        {"dropout": 1.0},
        {"steps_per_epoch": 0},
        {"weights": ""},
        {"monitor": "val_luck"},
        {"clip_norm": 0},
        {"augmentation": {"hue": 2}},
        {"per_class": "yes"},
    ],
)
def test_a_setting_out_of_range_is_named(change):
    with pytest.raises(SettingsError, match=next(iter(change))):
        TrainSettings(**change)


def test_an_unknown_setting_is_named():
    with pytest.raises(SettingsError, match="lerning_rate"):
        TrainSettings.from_dict({"lerning_rate": 1})


def test_settings_and_registry_need_no_keras():
    code = (
        "import sys; from core.training.settings import TrainSettings; from core.networks import architectures; "
        "import core.model_store.cards, core.confusion, core.model_store.models, core.training.training; architectures(); "
        "sys.exit(any(name in sys.modules for name in ('keras', 'tensorflow')))"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0


BASE = TrainSettings(epochs=10, learning_rate=1.0)


def test_cosine_by_hand():
    settings = replace(BASE, schedule="cosine")
    assert learning_rate(settings, 0) == pytest.approx(1)
    assert learning_rate(settings, 5) == pytest.approx(0.01 + 0.99 * 0.5)  # half way, cos(pi/2) = 0


def test_steps_by_hand():
    settings = replace(BASE, schedule="step")
    assert [learning_rate(settings, epoch) for epoch in (5, 6, 8, 9)] == pytest.approx([1, 0.1, 0.1, 0.01])  # at 60 % and 85 %


def test_warm_up_rises_linearly():
    settings = replace(BASE, warmup_epochs=3)
    assert [learning_rate(settings, epoch) for epoch in range(5)] == pytest.approx([0.25, 0.5, 0.75, 1, 1])


def test_plateau_halves():
    settings = replace(BASE, schedule="plateau", patience=9)
    assert learning_rate(settings, 4, plateaus=2) == pytest.approx(0.25)
    assert plateau_patience(settings) == 3
