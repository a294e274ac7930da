"""Event files are read back as TensorBoard reads them: TFRecords of `Event` messages."""

import io
import json
from dataclasses import replace

import pytest
from PIL import Image

from core.training.event_files import EventFiles
from core.training.settings import TrainSettings
from core.training.training import train
from tests.helpers import learning_fakes as fakes


def events(folder):
    import tensorflow as tf

    files = sorted(folder.glob("events.out.tfevents.*"))
    return [[tf.compat.v1.Event.FromString(record.numpy()) for record in tf.data.TFRecordDataset(str(file))] for file in files]


@fakes.untraced()
def test_a_run_and_its_continuation_hold_every_score_of_the_history(tmp_path):
    settings = TrainSettings(epochs=2, batch_size=4, filters=(4, 8), patience=0)
    store = fakes.store(size=16)
    train(store, tmp_path, replace(settings, epochs=1))
    train(store, tmp_path, settings, resume=True)
    lines = [json.loads(line) for line in (tmp_path / "history.jsonl").read_text().splitlines()]
    first, second = events(tmp_path / "tensorboard")
    assert first[0].file_version == second[0].file_version == "brain.Event:2"
    # The start of a session tells TensorBoard to forget what came after this step in older files.
    assert second[1].session_log.status == 1 and second[1].step == 2
    for line, event in zip(lines, (first[1], second[2]), strict=True):
        assert event.step == line["epoch"]
        scalars = {value.tag: value.simple_value for value in event.summary.value if value.WhichOneof("value") == "simple_value"}
        for name in ("loss", "accuracy", "mean_iou", "val_loss", "val_accuracy", "val_mean_iou", "learning_rate"):
            assert scalars[name] == pytest.approx(line[name], rel=1e-5)
        assert scalars["val_iou/Roof"] == pytest.approx(line["val_iou"]["Roof"], rel=1e-5, abs=1e-9)
        (picture,) = [value.image for value in event.summary.value if value.tag == "preview"]
        shown = Image.open(io.BytesIO(picture.encoded_image_string))
        assert (shown.width, shown.height) == (picture.width, picture.height) == (3 * 16 + 8, 4 * 16 + 12)


def test_what_is_no_number_is_left_out(tmp_path):
    files = EventFiles(tmp_path)
    files.add({"epoch": 1, "best": True, "loss": float("nan"), "val_iou": {"Roof": None, "Water": 0.5}})
    files.close()
    assert [value.tag for value in events(tmp_path)[0][1].summary.value] == ["val_iou/Water"]
