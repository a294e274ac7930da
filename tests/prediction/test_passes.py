"""Several scales of one scene: the mean of what each alone would give, also after a kill in any of the passes."""

from dataclasses import replace

import numpy as np
import pytest

from core.errors import SettingsError
from core.model_store.models import Model
from core.prediction.estimate import estimate
from core.prediction.folder.rasters import Prediction
from core.prediction.predict import predict
from core.prediction.settings import PredictSettings
from core.scenes.opening import scene_of_array
from core.scenes.scene import Window
from tests.helpers.standins import make_engine, make_model, probabilities

SCALES = (0.75, 1.0, 1.25)


@pytest.fixture
def model(tmp_path):
    return make_model(tmp_path / "model")


def blobs(height, width):
    """A picture with soft and hard edges, so that the scales differ."""
    rows, cols = np.mgrid[:height, :width]
    grey = 128 + 100 * np.sin(rows / 5) * np.cos(cols / 7) + 25 * ((rows // 9 + cols // 13) % 2)
    return np.repeat(grey.clip(1, 255).astype(np.uint8)[..., None], 3, axis=2)


def run(model, scene, folder, **settings):
    settings = {"memory": "8GiB", **settings}
    return predict(model, scene, folder, engine=settings.pop("engine", None) or make_engine(model), **settings)


def as_scale(model, factor):
    return Model(replace(model.card, scale=model.card.scale * factor), model.folder, model.file)


@pytest.mark.parametrize("window", [None, Window(7, 10, 50, 41)])
def test_the_result_is_the_mean_of_the_scales(model, tmp_path, window):
    scene = scene_of_array(blobs(90, 110))
    both = run(model, scene, tmp_path / "all", scales=SCALES, window=window)
    alone = [run(as_scale(model, factor), scene, tmp_path / f"{factor}", window=window) for factor in SCALES]
    parts = [Prediction.open(one.folder).probabilities().astype(float) for one in alone]
    assert np.abs(parts[0] - parts[2]).max() > 10  # they do differ
    made = Prediction.open(tmp_path / "all")
    # Each of the three, and their mean, is rounded to whole bytes.
    assert np.abs(made.probabilities() - np.mean(parts, axis=0)).max() <= 1.01
    assert both.windows == sum(one.windows for one in alone)
    assert made.made["settings"]["scales"] == list(SCALES) and "scales" not in Prediction.open(tmp_path / "1.0").made["settings"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["0.75", "1.0", "1.25", "all", "model"]


def test_the_temperature_is_that_of_the_mean(tmp_path):
    plain, scene = make_model(tmp_path / "plain"), scene_of_array(blobs(64, 64))
    warm = make_model(tmp_path / "warm", temperature=2.0)
    labels = []
    for model in (plain, warm):
        run(model, scene, tmp_path / f"{model.folder.name}-out", scales=SCALES)
        labels.append(Prediction.open(tmp_path / f"{model.folder.name}-out"))
    np.testing.assert_array_equal(labels[0].labels(), labels[1].labels())
    assert labels[1].confidence().mean() < labels[0].confidence().mean()


@pytest.mark.parametrize("calls_before", [3, 30, 60])
def test_a_run_killed_in_any_pass_goes_on_there(model, tmp_path, calls_before):
    scene, calls = scene_of_array(blobs(120, 90)), []

    def dying(patches):
        calls.append(len(patches))
        if len(calls) == calls_before:
            raise KeyboardInterrupt
        return probabilities(patches)

    with pytest.raises(KeyboardInterrupt):
        run(model, scene, tmp_path / "out", engine=make_engine(model, dying), scales=SCALES)
    looked = []

    def watching(patches):
        looked.append(len(patches))
        return probabilities(patches)

    rest = run(model, scene, tmp_path / "out", engine=make_engine(model, watching), scales=SCALES)
    whole = run(model, scene, tmp_path / "whole", scales=SCALES)
    assert sum(looked) < whole.windows or calls_before == 3
    assert whole.windows <= rest.windows <= sum(calls) + sum(looked)  # of both runs
    assert rest.seam_score == pytest.approx(whole.seam_score, rel=0.1)
    np.testing.assert_array_equal(Prediction.open(tmp_path / "out").probabilities(), Prediction.open(tmp_path / "whole").probabilities())
    assert {path.name for path in tmp_path.iterdir()} == {"model", "out", "whole"}


def test_progress_goes_once_from_nothing_to_all(model, tmp_path):
    heard = []
    run(
        model,
        scene_of_array(blobs(90, 90)),
        tmp_path / "out",
        scales=SCALES,
        on_progress=lambda done, total, _: heard.append((done, total)),
    )
    shares = [done / total for done, total in heard if total]
    assert shares == sorted(shares) and shares[-1] == 1 and len({total for _, total in heard if total}) == 1


def test_an_estimate_counts_all_passes(model, tmp_path):
    scene = scene_of_array(blobs(90, 110))
    told = estimate(model, scene, engine=make_engine(model), scales=SCALES, memory="8GiB")
    once = estimate(model, scene, engine=make_engine(model), memory="8GiB")
    assert told.windows == run(model, scene, tmp_path / "out", scales=SCALES).windows > 2 * once.windows
    assert told.disk_mib > once.disk_mib


@pytest.mark.parametrize("scales", [(), (1.0, 1.0), (0.1, 1.0), (9.0,), (0.5, 0.6, 0.7, 0.8, 0.9, 1.0), (float("nan"),)])
def test_scales_that_make_no_sense_are_refused(scales):
    with pytest.raises(SettingsError, match="scale"):
        PredictSettings(scales=scales)
