import time

import numpy as np
from PIL import Image

from core.classes import DUBAI
from core.jobs import records
from core.jobs.jobs import Job, list_jobs
from core.learning.cards import ModelCard
from core.learning.previews import save_preview
from tests.pages.conftest import keys_of, sound, text_of
from ui.state import Selection

TRAIN = "pages/2_Train.py"
EPOCHS = [
    {
        "type": "epoch",
        "epoch": 1,
        "loss": 1.2,
        "val_loss": 1.1,
        "mean_iou": 0.3,
        "val_mean_iou": 0.41,
        "learning_rate": 1e-3,
        "val_iou": {"Road": 0.5},
    },
    {
        "type": "epoch",
        "epoch": 2,
        "loss": 0.8,
        "val_loss": 0.9,
        "mean_iou": 0.5,
        "val_mean_iou": 0.62,
        "learning_rate": 1e-3,
        "val_iou": {"Road": 0.7},
    },
    {
        "type": "epoch",
        "epoch": 3,
        "loss": 0.7,
        "val_loss": 1.0,
        "mean_iou": 0.6,
        "val_mean_iou": 0.58,
        "learning_rate": 1e-3,
        "val_iou": {"Road": 0.6},
    },
]


def small_dataset(folder, mask_px=64):
    """Two scenes of 64 x 64 pixels, left half Building, right half Road."""
    rng = np.random.default_rng(0)
    ids = np.zeros((mask_px, mask_px), np.uint8)
    ids[:, mask_px // 2 :] = 2
    for place, part in (("Tile 1", "images"), ("Tile 1", "masks"), ("Tile 2", "images"), ("Tile 2", "masks")):
        (folder / place / part).mkdir(parents=True, exist_ok=True)
        picture = DUBAI.decode(ids) if part == "masks" else rng.integers(0, 255, (64, 64, 3), np.uint8)
        Image.fromarray(picture).save(folder / place / part / "one.png")
    return folder


def wait(workspace, kind):
    deadline = time.time() + 60
    while (job := list_jobs(workspace, kinds=(kind,))[0]).active:
        assert time.time() < deadline
        time.sleep(0.1)
    return job


def prepared(workspace, folder):
    from core.data.datasets import open_dataset
    from core.data.patches import prepare

    prepare(open_dataset(small_dataset(folder)), workspace.prepared / "small", patch_size=32, stride=32)
    return workspace.prepared / "small"


def trained(workspace, finished, store, *, records_of_epochs=EPOCHS, **how):
    out = workspace.models / "small-net"
    (out / "previews").mkdir(parents=True)
    card = ModelCard(name="Small net", architecture="unet", scheme=DUBAI, bands=(1, 2, 3), patch_size=32)
    card.save(out)
    (out / "model.keras").write_bytes(b"dummy")
    ids = np.zeros((3, 16, 16), np.uint8)
    for epoch in (1, 2, 3):
        save_preview(out / "previews" / f"epoch_{epoch:04d}.png", np.zeros((3, 16, 16, 3), np.uint8), ids, ids, DUBAI)
    return finished(
        "train", {"prepared": store, "out": out, "settings": {"epochs": 5, "architecture": "unet"}}, events=records_of_epochs, **how
    )


def test_empty_train_page_offers_the_sample_data(opened):
    at = opened(TRAIN)
    assert "No data set yet" in text_of(at)
    at = sound(at.button(key="use_sample").click().run())
    assert "train_prepare" in keys_of(at)
    assert "train_start" not in keys_of(at)
    assert "Prepare patches first" in text_of(at)


def test_preparing_runs_as_a_job_and_opens_the_way_to_training(opened, workspace, tmp_path):
    at = opened(TRAIN).button(key="use_sample").click().run()
    at.session_state["gl_selection"] = Selection(dataset=small_dataset(tmp_path / "city"))
    at = at.run()
    at.select_slider(key="train_patch").set_value(64)
    sound(at.button(key="train_prepare").click().run())
    job = wait(workspace, "prepare")
    assert job.status()["state"] == "finished", job.log_tail()
    assert job.request["patch_size"] == 64 and job.request["stride"] == 64
    at = opened(TRAIN)
    assert "train_start" in keys_of(at)
    assert "1 train, 1 validation patches of 64 × 64 px" in text_of(at)
    assert "share no pixel" in text_of(at)


def test_a_mask_of_another_size_is_one_plain_line(opened, workspace, tmp_path):
    at = opened(TRAIN).button(key="use_sample").click().run()
    at.session_state["gl_selection"] = Selection(dataset=small_dataset(tmp_path / "odd", mask_px=40))
    at = at.run()
    sound(at.button(key="train_prepare").click().run())
    wait(workspace, "prepare")
    at = opened(TRAIN)
    assert len(at.error) == 1
    assert "40 x 40" in at.error[0].value and "64 x 64" in at.error[0].value and "\n" not in at.error[0].value


def test_start_asks_for_a_job_with_the_settings_of_the_page(opened, workspace, tmp_path, finished, monkeypatch):
    store = prepared(workspace, tmp_path / "city")
    asked = {}

    def start(kind, request, *, title=None):
        asked.update(kind=kind, request=request, title=title)
        return Job(finished(kind, {**request, "out": tmp_path / "net"}))

    monkeypatch.setattr("ui.jobs_view.start", start)
    at = opened(TRAIN)
    at.number_input(key="train_epochs").set_value(7)
    at.select_slider(key="train_batch_size").set_value(4)
    sound(at.button(key="train_start").click().run())
    settings = asked["request"]["settings"]
    assert asked["kind"] == "train" and asked["request"]["prepared"] == store
    assert (settings["epochs"], settings["batch_size"], settings["architecture"], settings["weights"]) == (7, 4, "unet", "none")
    assert asked["title"] == settings["name"] == "U-Net on city"


def test_a_finished_run_shows_its_scores_and_hands_its_model_on(opened, workspace, tmp_path, finished):
    trained(workspace, finished, prepared(workspace, tmp_path / "city"), result={"folder": "x"})
    at = opened(TRAIN)
    shown = {metric.label: metric.value for metric in at.metric}
    assert shown["Epochs done"] == "3 of 5" and shown["Best validation IoU"] == "0.620" and shown["Best epoch"] == "2"
    assert at.get("plotly_chart")
    assert at.dataframe(key="runs_table").value["state"].tolist() == ["Finished"]
    sound(at.button(key="use_model").click().run())
    assert at.session_state["gl_selection"].model == str(workspace.models / "small-net")


def test_a_run_stopped_before_its_first_epoch_has_no_model_to_offer(opened, workspace, tmp_path, finished):
    folder = trained(
        workspace, finished, prepared(workspace, tmp_path / "city"), records_of_epochs=(), state="stopped", result={"stopped": True}
    )
    at = opened(TRAIN)
    assert "use_model" not in keys_of(at) and f"run_{folder.name}_resume" in keys_of(at)


def test_a_running_run_is_there_in_a_new_session_and_can_be_stopped(opened, workspace, tmp_path, finished):
    folder = trained(workspace, finished, prepared(workspace, tmp_path / "city"), state="running", done=3, total=5, message="epoch 4 of 5")
    with records.worker_lock(folder):
        at = opened(TRAIN)
        assert {f"run_{folder.name}_stop", f"run_{folder.name}_pause"} <= keys_of(at)
        assert "use_model" not in keys_of(at)
        at = sound(at.button(key=f"run_{folder.name}_pause").click().run())
        assert "Pauses after this step" in [bar.proto.text for bar in at.main.get("progress")]
        at = sound(at.button(key=f"run_{folder.name}_resume").click().run())
        assert "Epoch 4 of 5" in [bar.proto.text for bar in at.main.get("progress")]
        sound(at.button(key=f"run_{folder.name}_stop").click().run())
        assert Job(folder).status()["state"] == "stopping"
        assert "Training" in opened().sidebar.get("progress")[0].proto.text


def test_a_killed_run_says_so_and_offers_to_resume(opened, workspace, tmp_path, finished):
    folder = trained(workspace, finished, prepared(workspace, tmp_path / "city"), state="running")
    at = opened(TRAIN)
    assert f"run_{folder.name}_resume" in keys_of(at)
    assert len(at.error) == 1 and "worker ended" in at.error[0].value


def test_a_deleted_run_comes_back_by_undo(opened, workspace, tmp_path, finished):
    folder = trained(workspace, finished, prepared(workspace, tmp_path / "city"), result={})
    at = opened(TRAIN)
    at.session_state["gl_deleted"] = [Job(folder).delete(outputs=True)]
    at = sound(at.run())
    assert not folder.exists()
    sound(at.button(key="run_undo").click().run())
    assert folder.exists() and (workspace.models / "small-net" / "card.json").exists()
