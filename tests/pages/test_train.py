import json
import time
from dataclasses import fields, replace

import h5py
import numpy as np
import pytest
from onnx import TensorProto, helper
from onnx import save as save_onnx
from PIL import Image

from core.classes import DUBAI
from core.jobs import records
from core.jobs.jobs import Job, list_jobs
from core.model_store.cards import ModelCard
from core.model_store.normalisation import SEAMS
from core.training.augmentation import Augmentation
from core.training.previews import save_preview
from core.training.settings import TrainSettings
from core.workspace import MODELS
from tests.pages.conftest import ROOT, keys_of, sound, text_of
from ui import jobs_view
from ui.state import Selection

TRAIN = "pages/3_Train.py"
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


def wait(workspace, kind, patience_s=60):
    deadline = time.time() + patience_s
    while (job := list_jobs(workspace, kinds=(kind,))[0]).active:
        assert time.time() < deadline
        time.sleep(0.1)
    return job


def prepared(workspace, folder):
    from core.datasets.datasets import open_dataset
    from core.patches.prepare import prepare

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
    (out / "history.jsonl").write_text("".join(f"{json.dumps(record)}\n" for record in EPOCHS))
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
    assert at.number_input(key="patch_size").value == 64  # what fits into its scenes
    sound(at.button(key="train_prepare").click().run())
    job = wait(workspace, "prepare")
    assert job.status()["state"] == "finished", job.log_tail()
    assert job.request["patch_size"] == 64 and job.request["stride"] == 64
    at = opened(TRAIN)
    assert "train_start" in keys_of(at)
    assert "1 train, 1 validation patches of 64 × 64 px" in text_of(at)
    assert "share no pixel" in text_of(at)
    (bars,) = json.loads(at.get("plotly_chart")[0].proto.spec)["data"]
    natural = DUBAI.coloured("natural")  # whatever the masks' colours are
    assert set(bars["marker"]["color"]) <= {natural.hex(k) for k in range(len(natural))}


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
    assert (settings["epochs"], settings["batch_size"], settings["architecture"], settings["weights"]) == (7, 4, "unet", "imagenet")
    assert asked["title"] == settings["name"] == "U-Net (efficientnet-lite0) on city"


def test_the_model_of_bands_4_3_2_is_made_by_clicking(opened, workspace):
    """The 12-band chips of the tutorial with three networks: patches of three bands, a short training, and the model is there."""
    chips = ROOT / "sample_data" / "chips12"
    at = opened("pages/1_Explore.py")
    at.button(key="explore_sample_chips12").click().run()
    at = sound(at.switch_page(TRAIN).run())
    bands = at.multiselect(key="patch_bands")
    assert bands.options[3] == "4 · B4" and bands.placeholder == "All 12 bands" and bands.value == []
    at = sound(at.button(key="patch_bands_quick").click().run())
    assert at.multiselect(key="patch_bands").value == [4, 3, 2]
    sound(at.button(key="train_prepare").click().run())
    assert wait(workspace, "prepare").request["bands"] == [4, 3, 2]
    at = opened(TRAIN)
    assert "patches of 64 × 64 px, 3 bands" in text_of(at)
    at.selectbox(key="train_architecture").set_value("unet-small")
    at = at.selectbox(key="train_encoder_unet").set_value("own").run()
    at.selectbox(key="train_width").set_value(0.5)
    at.number_input(key="train_epochs").set_value(1)
    at.number_input(key="train_steps_per_epoch").set_value(1)
    sound(at.button(key="train_start").click().run())
    job = wait(workspace, "train", 300)
    assert job.status()["state"] == "finished", job.log_tail()
    card = ModelCard.load(job.request["out"])
    assert card.bands == (4, 3, 2) and card.patch_size == 64 and card.scheme.names == ("Bare and built", "Vegetation", "Water")
    at = on_tab(opened(TRAIN), "Models")
    at = sound(at.selectbox(key="models_chosen").set_value(str(job.request["out"])).run())
    assert card.name == f"U-Net, small on {chips.name}" and not at.error


def chosen_patches(at):
    return next(box for box in at.selectbox if box.label == "Patches")


def test_several_prepared_folders_are_trained_on_together(opened, workspace, tmp_path, asked):
    from core.datasets.datasets import open_dataset
    from core.patches.prepare import prepare

    store, folder = prepared(workspace, tmp_path / "city"), tmp_path / "city"
    for name, told in (("halved", {"scale": 0.5}), ("banded", {"bands": [1]})):
        prepare(open_dataset(folder), workspace.prepared / name, patch_size=32, stride=32, **told)
    at = opened(TRAIN)
    at = sound(chosen_patches(at).set_value(store).run())
    more = at.multiselect(key="train_also")
    assert len(more.options) == 1  # the one of a single band does not go with it
    at = sound(more.set_value([workspace.prepared / "halved"]).run())
    assert "5 train, 5 validation patches of 32 × 32 px" in text_of(at) and "share no pixel" in text_of(at)
    assert "Scales 0.5 and 1 are mixed" in text_of(at)
    at = sound(at.button(key="check_probe").click().run())
    sound(at.button(key="train_start").click().run())
    assert [(kind, request["prepared"], request["also"]) for kind, request, _ in asked] == [
        (kind, store, [workspace.prepared / "halved"]) for kind in ("probe", "train")
    ]


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
        assert "60 % · Epoch 4 of 5" in [bar.proto.text for bar in at.main.get("progress")]
        sound(at.button(key=f"run_{folder.name}_stop").click().run())
        assert Job(folder).status()["state"] == "stopping"
        assert "Training" in opened().sidebar.get("progress")[0].proto.text
    records.write_patiently(folder / records.STATUS, {**records.read_patiently(folder / records.STATUS), "state": "stopped"})
    assert [told.value for told in sound(at.run()).toast] == ["Training: stopped · train of a test"]
    assert not sound(at.run()).toast  # said once


def place_of(block, label):
    """The way from a block of the page down to the tab of that name, as the browser is told it: a number for each level."""
    for number, child in block.children.items():
        if getattr(child, "label", None) == label and child.type == "tab":
            return (number,)
        below = place_of(child, label) if hasattr(child, "children") else None
        if below is not None:
            return (number, *below)
    return None


@pytest.mark.parametrize("epochs", [EPOCHS[:0], EPOCHS], ids=["before its first epoch", "later"])
def test_what_belongs_to_a_run_keeps_its_place_when_it_ends(opened, workspace, tmp_path, finished, epochs):
    """A tab that moved up would be there twice until the page is drawn to its end."""
    store = prepared(workspace, tmp_path / "city")
    folder = trained(workspace, finished, store, records_of_epochs=epochs, state="running", done=3, total=5)
    with records.worker_lock(folder):
        at = opened(TRAIN)
        running = place_of(at.main, "TensorBoard")
        records.append_event(folder, EPOCHS[-1])
        assert running is not None and place_of(sound(at.run()).main, "TensorBoard") == running
    records.write_patiently(folder / records.STATUS, {**records.blank_status("failed"), "error": "no memory left"})
    at = sound(at.run())
    assert any("No memory" in error.value for error in at.error)
    assert place_of(at.main, "TensorBoard") == running


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


def on_tab(at, tab):
    at.session_state["train_tab"] = tab
    return sound(at.run())


@pytest.fixture
def asked(finished, tmp_path, monkeypatch):
    """What the page asked for: (kind, request, title) of each job, none of which runs."""
    calls = []

    def start(kind, request, *, title=None):
        calls.append((kind, request, title))
        return Job(finished(kind, {**request, "out": tmp_path / f"out{len(calls)}"} if kind in ("train", "search") else request))

    monkeypatch.setattr("ui.jobs_view.start", start)
    return calls


def test_every_setting_of_the_form_is_one_of_the_trainings(opened, workspace, tmp_path, asked):
    prepared(workspace, tmp_path / "city")
    at = opened(TRAIN)
    at = at.selectbox(key="train_encoder_unet").set_value("own").run()
    at.toggle(key="train_per_class").set_value(True)
    at.selectbox(key="train_optimizer").set_value("adamw")
    at.number_input(key="train_clip_norm").set_value(1.0)
    at.slider(key="train_augment_cutout").set_value(0.3)
    at.selectbox(key="train_width").set_value(0.5)
    at = at.selectbox(key="train_normalisation").set_value("patch").run()
    assert SEAMS in [caption.value for caption in at.caption]
    at = at.selectbox(key="train_normalisation").set_value("image").run()
    assert SEAMS not in [caption.value for caption in at.caption]
    at.text_input(key="train_normalisation_numbers").set_value("1, 99")
    sound(at.button(key="train_start").click().run())
    chosen = TrainSettings.from_dict(asked[0][1]["settings"])
    assert chosen.normalisation == "image=1, 99"
    assert set(asked[0][1]["settings"]) == {item.name for item in fields(TrainSettings)}
    assert (chosen.per_class, chosen.optimizer, chosen.clip_norm, chosen.filters) == (True, "adamw", 1.0, (8, 16, 32, 64, 128))
    assert chosen.augmentation.cutout == 0.3 and chosen.augmentation.zoom == 0.25 and chosen.steps_per_epoch is None


def test_the_form_starts_with_the_trainings_own_defaults(opened, workspace, tmp_path, asked):
    prepared(workspace, tmp_path / "city")
    sound(opened(TRAIN).button(key="train_start").click().run())
    usual = {"encoder": "efficientnet-lite0", "weights": "imagenet", "freeze": "early"}
    assert replace(TrainSettings.from_dict(asked[0][1]["settings"]), name=None) == replace(TrainSettings(), **usual)


def test_pretrained_against_random_starts_two_runs_that_differ_in_the_weights_only(opened, workspace, tmp_path, asked, monkeypatch):
    monkeypatch.setattr("ui.train.weights.reachable", lambda: False)
    prepared(workspace, tmp_path / "city")
    at = opened(TRAIN)
    at = at.selectbox(key="train_encoder_unet").set_value("own").run()
    assert at.button(key="train_pair").disabled  # nothing is published for a U-Net of its own
    at = at.selectbox(key="train_encoder_unet").set_value("resnet18").run()
    at = sound(at.segmented_control(key="train_start_True").set_value("imagenet").run())
    assert any("does not answer" in warning.value for warning in at.warning)
    at = sound(at.button(key="train_pair").click().run())
    first, second = (call[1]["settings"] for call in asked)
    assert [name for name in first if first[name] != second[name]] == ["weights", "name"]
    assert (first["weights"], second["weights"]) == ("imagenet", "none")
    assert at.session_state["train_tab"] == "Compare" and len(at.multiselect(key="runs_compared").value) == 2


def test_a_weights_file_has_to_be_there_before_a_run_starts_from_it(opened, workspace, tmp_path, asked):
    prepared(workspace, tmp_path / "city")
    at = opened(TRAIN)
    at = at.selectbox(key="train_encoder_unet").set_value("own").run()
    at = sound(at.segmented_control(key="train_start_False").set_value("file").run())
    assert at.button(key="train_start").disabled
    at = sound(at.text_input(key="train_from_file").set_value(str(tmp_path / "none.h5")).run())
    assert at.button(key="train_start").disabled
    (tmp_path / "none.h5").write_bytes(b"weights")
    at = sound(at.run())
    sound(at.button(key="train_start").click().run())
    assert asked[0][1]["settings"]["weights"] == str(tmp_path / "none.h5")


def test_the_augmentation_is_previewed_on_a_patch_of_the_user(opened, workspace, tmp_path):
    prepared(workspace, tmp_path / "city")
    at = opened(TRAIN)
    assert not at.main.get("image")
    at.session_state["train_advanced_tab"] = "Augmentation"
    at = sound(at.run())
    before = at.main.get("image")[0].proto.imgs[0].url
    at = sound(at.slider(key="train_augment_cutout").set_value(0.9).run())
    assert at.main.get("image")[0].proto.imgs[0].url != before


PROBE = {
    "batch_size": 8,
    "steps_per_epoch": 3,
    "start_s": 2.0,
    "epoch_s": 30.0,
    "train_s": 20.0,
    "validation_s": 6.0,
    "finish_s": 4.0,
    "total_s": 900.0,
    "peak_memory_mib": 2048.0,
    "memory_budget_mib": 1500.0,
    "gpu_memory_mib": None,
    "disk_mib": 12.0,
    "disk_free_mib": 9e4,
    "parameters": 2_000_000,
    "networks": 1,
    "device": "CPU, tensorflow",
    "proposed_batch_size": 12,
    "sizes": [
        {"batch_size": 8, "step_s": 1.0, "patches_per_s": 8.0, "peak_memory_mib": 1000.0, "fits": True},
        {"batch_size": 12, "step_s": 1.0, "patches_per_s": 12.0, "peak_memory_mib": 2048.0, "fits": True},
        {"batch_size": 32, "step_s": None, "patches_per_s": None, "peak_memory_mib": None, "fits": False},
    ],
}
RATES = {
    "rates": [1e-4, 1e-3, 1e-2],
    "losses": [1.0, 0.5, 2.0],
    "smoothed": [1.0, 0.7, 1.5],
    "suggested": 0.00123,
    "lowest_loss_rate": 1e-3,
    "diverged": True,
    "batch_size": 8,
    "optimizer": "adam",
    "loss": "dice",
}
SEARCH = {
    "state": "finished",
    "monitor": "val_mean_iou",
    "higher_is_better": True,
    "settings": {},
    "epochs": 1,
    "rounds": [2],
    "stopped": False,
    "best": {"learning_rate": 0.002, "batch_size": 6, "score": 0.51},
    "trials": [
        {"learning_rate": 0.002, "batch_size": 6, "rounds": 1, "epochs": 1, "score": 0.51, "state": "best", "history": []},
        {"learning_rate": 0.1, "batch_size": 6, "rounds": 0, "epochs": 0, "score": None, "state": "diverged", "history": []},
    ],
}


def test_what_the_checks_propose_is_one_click_away(opened, workspace, tmp_path, finished):
    store = prepared(workspace, tmp_path / "city")
    settings = {"architecture": "unet", "encoder": None, "filters": None, "per_class": False, "mixed_precision": "auto"}
    finished("probe", {"prepared": store, "settings": settings}, PROBE)
    finished("rate_test", {"prepared": store, "settings": settings}, RATES)
    finished("search", {"prepared": store, "out": tmp_path / "search", "settings": settings}, SEARCH)
    at = opened(TRAIN)
    shown = {metric.label: metric.value for metric in at.metric}
    assert shown["An epoch takes"] == "30 s" and shown["30 epochs at most"] == "15 min" and shown["Memory at its peak"] == "2.0 GiB"
    assert any("more memory than is free" in warning.value for warning in at.warning)
    at = sound(at.button(key="take_batch").click().run())
    assert at.select_slider(key="train_batch_size").value == 12 and at.button(key="take_batch").disabled
    at = sound(at.button(key="take_rate").click().run())
    assert at.select_slider(key="train_learning_rate").value == 0.0012
    at = sound(at.button(key="take_both").click().run())
    assert (at.select_slider(key="train_batch_size").value, at.select_slider(key="train_learning_rate").value) == (6, 0.002)


def test_a_search_takes_widths_and_what_it_found_is_taken(opened, workspace, tmp_path, finished, asked):
    store = prepared(workspace, tmp_path / "city")
    at = opened(TRAIN)
    at = at.selectbox(key="train_encoder_unet").set_value("own").run()
    at.multiselect(key="search_widths").set_value([0.5, 2.0])
    sound(at.button(key="check_search").click().run())
    assert asked[0][1]["filters"] == [8, 32]  # of the usual 16
    settings = {"architecture": "unet", "encoder": None, "filters": None, "per_class": False, "mixed_precision": "auto"}
    best = {**SEARCH["best"], "filters": [8, 16, 32, 64, 128]}
    trials = [{**trial, "filters": best["filters"]} for trial in SEARCH["trials"]]
    request = {"prepared": store, "out": tmp_path / "found", "settings": settings}
    finished("search", request, {**SEARCH, "best": best, "trials": trials})
    at = opened(TRAIN)
    assert "with batches of 6 and 8 filters" in text_of(at)
    at = sound(at.button(key="take_both").click().run())
    assert at.selectbox(key="train_width").value == 0.5 and at.select_slider(key="train_batch_size").value == 6


def test_a_check_is_asked_for_with_the_settings_of_the_form(opened, workspace, tmp_path, asked):
    store = prepared(workspace, tmp_path / "city")
    at = opened(TRAIN)
    at.selectbox(key="train_architecture").set_value("fast")
    sound(at.button(key="check_rate_test").click().run())
    kind, request, _ = asked[0]
    assert kind == "rate_test" and request["prepared"] == store and request["settings"]["architecture"] == "fast"
    assert (request["lowest"], request["highest"], request["steps"]) == (1e-6, 1.0, 100)


def two_runs(workspace, tmp_path, finished):
    store = prepared(workspace, tmp_path / "city")
    for rate, epochs in ((1e-3, EPOCHS), (3e-3, EPOCHS[:2])):
        settings = {"learning_rate": rate, "epochs": len(epochs)}
        request = {"prepared": store, "out": workspace.models / f"net-{rate}", "settings": settings}
        finished("train", request, {"folder": "x"}, events=epochs)


def test_two_runs_are_laid_over_each_other_with_what_differs(opened, workspace, tmp_path, finished):
    two_runs(workspace, tmp_path, finished)
    at = on_tab(opened(TRAIN), "Compare")
    scores, differences = (frame.value for frame in at.dataframe)
    assert scores["best val. IoU"].tolist() == [0.62, 0.62] and scores["epochs"].tolist() == [2, 3]
    assert differences.index.tolist() == ["epochs", "learning rate"] and sorted(differences.iloc[1]) == ["0.001", "0.003"]
    curves = json.loads(at.get("plotly_chart")[0].proto.spec)["data"]
    assert [len(curve["x"]) for curve in curves] == [2, 3]


def test_a_link_opens_the_run_that_it_names(opened, workspace, tmp_path, finished):
    two_runs(workspace, tmp_path, finished)
    oldest = sorted(folder.name for folder in workspace.runs.iterdir())[0]
    at = opened()
    at.query_params["run"] = oldest
    at = sound(at.switch_page(TRAIN).run())
    assert at.session_state["train_tab"] == "Runs" and at.session_state[jobs_view.RUN] == oldest


def test_the_address_names_the_run_in_view(opened, workspace, tmp_path, finished):
    two_runs(workspace, tmp_path, finished)
    newest = sorted(folder.name for folder in workspace.runs.iterdir())[-1]
    assert on_tab(opened(TRAIN), "Runs").query_params["run"] in (newest, [newest])


def test_the_table_names_notes_and_shows_differing_settings(opened, workspace, tmp_path, finished):
    two_runs(workspace, tmp_path, finished)
    at = opened(TRAIN)
    table = at.dataframe(key="runs_table").value
    assert table["learning rate"].tolist() == ["0.003", "0.001"] and "loss" not in table and "note" not in table
    assert table["epochs"].tolist() == ["2 of 2", "3 of 3"]
    Job(list_jobs(workspace)[0].folder).annotate(title="Bold", note="higher rate")
    table = sound(at.run()).dataframe(key="runs_table").value
    assert table["run"].tolist()[0] == "Bold" and table["note"].tolist() == ["higher rate", ""]


def test_waiting_runs_show_their_place(opened, workspace, tmp_path, finished):
    store = prepared(workspace, tmp_path / "city")
    requests = [{"prepared": store, "out": tmp_path / str(place), "settings": {}} for place in (1, 2)]
    first, second = (finished("train", request, state="queued", arrived=float(place)) for place, request in enumerate(requests))
    with records.worker_lock(first), records.worker_lock(second):
        states = opened(TRAIN).dataframe(key="runs_table").value["state"].tolist()
    assert states == ["Waiting, 2nd in line", "Waiting, 1st in line"]


def test_a_second_run_does_not_hide_the_one_that_runs(opened, workspace, tmp_path, finished, monkeypatch):
    store = prepared(workspace, tmp_path / "city")
    first = finished("train", {"prepared": store, "out": tmp_path / "1", "settings": {"epochs": 3}}, state="running", done=1, total=3)
    steps = {"epoch": 2, "steps": 40, "at": [1, 2], "loss": [0.9, 0.8]}
    records.write_patiently(first / records.STEPS, steps)
    records.append_event(first, EPOCHS[0])
    second = finished("train", {"prepared": store, "out": tmp_path / "2", "settings": {}}, state="queued")
    monkeypatch.setattr("ui.jobs_view.start", lambda kind, request, *, title=None: Job(second))
    with records.worker_lock(first), records.worker_lock(second):
        at = on_tab(opened(TRAIN), "New run")
        at = sound(at.button(key="train_start").click().run())
        assert {f"run_{first.name}_stop", f"also_{second.name}_stop", f"show_{second.name}"} <= keys_of(at)
        drawn = [json.loads(chart.proto.spec) for chart in at.get("plotly_chart")]
        inside = next(chart for chart in drawn if "Loss within epoch 2 of 3" in str(chart["layout"].get("title")))
        assert inside["data"][0]["y"] == [0.9, 0.8] and inside["layout"]["xaxis"]["range"] == [0.5, 40.5]
        records.write_patiently(first / records.STEPS, {"epoch": "two"})  # of another form: left out, nothing breaks
        at = sound(at.button(key=f"show_{second.name}").click().run())
        assert {f"run_{second.name}_stop", f"also_{first.name}_stop"} <= keys_of(at)


def test_the_form_is_remembered_for_the_next_session(opened, workspace, tmp_path):
    prepared(workspace, tmp_path / "city")
    at = opened(TRAIN)
    assert at.number_input(key="train_epochs").value == 30
    at.number_input(key="train_epochs").set_value(7)
    sound(at.selectbox(key="train_architecture").set_value("fpn").run())
    at = sound(opened(TRAIN))
    assert (at.number_input(key="train_epochs").value, at.selectbox(key="train_architecture").value) == (7, "fpn")
    assert not at.warning


def test_what_can_be_checked_stands_before_the_start(opened, workspace, tmp_path):
    prepared(workspace, tmp_path / "city")
    keys = [button.key for button in opened(TRAIN).button]
    assert keys.index("check_probe") < keys.index("train_start")


def test_runs_are_found_by_their_tags(opened, workspace, tmp_path, finished):
    two_runs(workspace, tmp_path, finished)
    newer, older = list_jobs(workspace)[:2]
    assert "runs_tags" not in [group.key for group in opened(TRAIN).pills]
    newer.annotate(tags=["roof ", "wide", "roof"])
    older.annotate(tags=["wide"], note="first try")
    assert newer.tags == ("roof", "wide") and newer.note == ""
    at = opened(TRAIN)
    assert at.dataframe(key="runs_table").value["tags"].tolist() == ["roof, wide", "wide"]
    at = sound(at.pills(key="runs_tags").set_value(["roof", "wide"]).run())
    assert at.dataframe(key="runs_table").value["run"].tolist() == [newer.title]
    newer.annotate(tags=[])
    at = sound(at.run())  # a tag that no run has any more is not chosen unseen
    assert at.pills(key="runs_tags").value == ["wide"] and at.dataframe(key="runs_table").value["run"].tolist() == [older.title]


def test_the_settings_of_a_run_come_back_into_the_form(opened, workspace, tmp_path, finished, asked):
    store = prepared(workspace, tmp_path / "city")
    settings = TrainSettings(
        architecture="fpn",
        encoder="vgg16",
        learning_rate=0.0007,
        batch_size=3,
        schedule="cosine",
        clip_norm=2.0,
        augmentation=Augmentation(hue=0.1, flips=False),
        weights="imagenet",
        epochs=11,
    )
    finished("train", {"prepared": store, "out": tmp_path / "m", "settings": settings.to_dict()}, {"folder": "x"}, events=EPOCHS)
    at = sound(opened(TRAIN).button(key="run_again").click().run())
    assert at.session_state["train_tab"] == "New run"
    sound(at.button(key="train_start").click().run())
    assert replace(TrainSettings.from_dict(asked[0][1]["settings"]), name=None) == settings


def test_a_run_without_its_imagenet_weights_offers_others(opened, workspace, tmp_path, finished, asked):
    store = prepared(workspace, tmp_path / "city")
    request = {"prepared": store, "out": tmp_path / "m", "settings": {"encoder": "resnet18", "weights": "imagenet"}}
    finished("train", request, state="failed", error="no ImageNet weights of resnet18: no network")
    at = opened(TRAIN)
    assert {"run_random", "run_other_weights"} <= keys_of(at)
    sound(at.button(key="run_random").click().run())
    assert asked[0][1]["settings"] == {"encoder": "resnet18", "weights": "none"}


def test_one_network_per_class_shows_the_curves_of_each(opened, workspace, tmp_path, finished):
    store = prepared(workspace, tmp_path / "city")
    events = [{**record, "class": name, "val_iou": {name: 0.1 * record["epoch"]}} for name in ("Building", "Road") for record in EPOCHS]
    request = {"prepared": store, "out": tmp_path / "m", "settings": {"per_class": True, "epochs": 3}}
    finished("train", request, {"validation": {"mean_iou": 0.77}}, events=events)
    at = opened(TRAIN)
    shown = {metric.label: metric.value for metric in at.metric}
    assert shown["Networks begun"] == "2 of 5" and shown["Best validation IoU"] == "0.770"
    classes = json.loads(at.get("plotly_chart")[1].proto.spec)["data"]
    lengths = {curve["name"]: len(curve["x"]) for curve in classes}
    assert lengths["Building"] == lengths["Road"] == 3 and lengths["Water"] == 0


def keras_file(folder, *, runs_code=False):
    """What a Keras file says about a network of two bands and three classes, without any weights."""
    kind = "Lambda" if runs_code else "Conv2D"
    layers = [
        {"class_name": "InputLayer", "name": "in", "config": {"name": "in", "batch_shape": [None, 32, 32, 2]}, "inbound_nodes": []},
        {
            "class_name": kind,
            "name": "middle",
            "config": {"name": "middle", "filters": 4, "kernel_size": 1},
            "inbound_nodes": [[["in", 0, 0, {}]]],
        },
        {
            "class_name": "Conv2D",
            "name": "out",
            "config": {"name": "out", "filters": 3, "kernel_size": 1, "activation": "softmax"},
            "inbound_nodes": [[["middle", 0, 0, {}]]],
        },
    ]
    config = {"layers": layers, "input_layers": [["in", 0, 0]], "output_layers": [["out", 0, 0]], "name": "old"}
    with h5py.File(folder / "old.h5", "w") as file:
        file.attrs["model_config"] = json.dumps({"class_name": "Functional", "config": config})
        file.attrs["keras_version"] = "2.15.0"
    return folder / "old.h5"


def test_the_wizard_shows_what_a_file_tells_and_asks_only_the_rest(opened, workspace, tmp_path, asked):
    file = keras_file(tmp_path)
    at = on_tab(opened(TRAIN), "Models")
    at = sound(at.text_input(key="import_path").set_value(str(file)).run())
    assert "Takes 2 bands in patches of 32 x 32 pixels" in text_of(at) and "Saved by Keras 2.15.0" in text_of(at)
    assert not any("Patch size" in box.label for box in at.number_input)  # the file says it
    bands = next(box for box in at.text_input if box.label.startswith("Bands"))
    assert bands.value == "1, 2"
    way = next(box for box in at.selectbox if box.label == "Values were normalised")
    assert way.options[:2] == ["Divided by 255", "None: values as the file has them"]
    assert SEAMS in text_of(sound(way.set_value("Min-max of each patch, band by band").run()))
    at = sound(way.set_value("Divided by another number").run())
    next(box for box in at.text_input if box.label == "Divisor").set_value("3000 2500")
    bands = next(box for box in at.text_input if box.label.startswith("Bands"))
    bands.set_value("4 3")
    at = sound(at.button(key="import_start").click().run())
    kind, request, _ = asked[0]
    assert request["normalisation"] == {"kind": "divide", "divisor": [3000.0, 2500.0]}
    assert kind == "import_model" and request["bands"] == [4, 3] and not request["trusted"]
    assert [entry["name"] for entry in request["classes"]["classes"]] == ["Class 0", "Class 1", "Class 2"]


def test_a_file_with_code_is_not_taken_in_without_a_clear_yes(opened, workspace, tmp_path, asked):
    at = on_tab(opened(TRAIN), "Models")
    at = sound(at.text_input(key="import_path").set_value(str(keras_file(tmp_path, runs_code=True))).run())
    assert any("Lambda" in warning.value for warning in at.warning) and "import_start" not in keys_of(at)
    at = sound(at.checkbox(key="import_trust_old.h5").set_value(True).run())
    sound(at.button(key="import_start").click().run())
    assert asked[0][1]["trusted"] is True


def test_a_file_that_is_no_network_is_one_plain_line(opened, workspace, tmp_path):
    (tmp_path / "notes.h5").write_text("no model")
    at = on_tab(opened(TRAIN), "Models")
    at = sound(at.text_input(key="import_path").set_value(str(tmp_path / "notes.h5")).run())
    assert len(at.error) == 1 and "notes.h5 is of no kind that is known" in at.error[0].value


def with_outputs(file, *, alike=False):
    """The same file with two outputs, of other classes or of one shape."""
    with h5py.File(file, "a") as saved:
        network = json.loads(saved.attrs["model_config"])
        network["config"]["output_layers"] = [["middle", 0, 0], ["out", 0, 0]]
        if alike:
            network["config"]["layers"][1]["config"] |= {"filters": 3, "activation": "softmax"}
        saved.attrs["model_config"] = json.dumps(network)
    return file


def test_the_wizard_proposes_the_last_of_outputs_of_one_shape(opened, workspace, tmp_path, asked):
    at = on_tab(opened(TRAIN), "Models")
    at = sound(at.text_input(key="import_path").set_value(str(with_outputs(keras_file(tmp_path), alike=True))).run())
    assert "middle (32 x 32 x 3), out (32 x 32 x 3); out is the answer, the last of outputs of one shape" in text_of(at)
    assert next(box for box in at.selectbox if box.label.startswith("Output")).value == "out"
    sound(at.button(key="import_start").click().run())
    assert asked[0][1]["output"] == "out"


def test_the_wizard_asks_which_of_several_outputs_is_the_answer(opened, workspace, tmp_path, asked):
    at = on_tab(opened(TRAIN), "Models")
    at = sound(at.text_input(key="import_path").set_value(str(with_outputs(keras_file(tmp_path)))).run())
    output = next(box for box in at.selectbox if box.label.startswith("Output"))
    assert (output.options, output.value) == (["middle (32 x 32 x 4)", "out (32 x 32 x 3)"], None)
    assert "import_start" not in keys_of(at) and "which one is the answer has to be said" in text_of(at)
    at = sound(output.set_value("middle").run())
    sound(at.button(key="import_start").click().run())
    request = asked[0][1]
    assert request["output"] == "middle" and len(request["classes"]["classes"]) == 4


def test_the_wizard_says_which_network_weights_alone_fit(opened, workspace, tmp_path, asked):
    kernels = {"down0_a": (3, 3, 4, 8), "down0_b": (3, 3, 8, 8), "bottom_a": (3, 3, 8, 12), "bottom_b": (3, 3, 12, 12)}
    kernels |= {"up0_rise": (2, 2, 8, 12), "up0_a": (3, 3, 16, 8), "up0_b": (3, 3, 8, 8), "head": (1, 1, 8, 3)}
    with h5py.File(tmp_path / "only.h5", "w") as file:
        file.attrs["layer_names"] = list(kernels)
        for name, shape in kernels.items():
            rest = [(shape[-1],)] * 4 if name[:4] in ("down", "bott") or name in ("up0_a", "up0_b") else [(8 if "rise" in name else 3,)]
            for number, each in enumerate([shape, *rest]):
                file[f"{name}/{number}"] = np.zeros(each)
            file[name].attrs["weight_names"] = [str(number) for number in range(1 + len(rest))]
    at = on_tab(opened(TRAIN), "Models")
    at = sound(at.text_input(key="import_path").set_value(str(tmp_path / "only.h5")).run())
    assert "Weights alone, which fit unet with filters 8, 12, 4 bands, 3 classes." in text_of(at)
    sound(at.button(key="import_start").click().run())
    request = asked[0][1]
    assert (request["architecture"], request["encoder"], list(request["filters"])) == ("unet", None, [8, 12])


def test_the_table_of_models_says_what_a_score_was_measured_on(opened):
    """The sample's network has a test part; of the Dubai ones, which saw all tiles, like networks on three folds were scored."""
    at = on_tab(opened(TRAIN), "Models")
    rows = next(frame.value for frame in at.dataframe if "measured on" in frame.value).set_index("model")
    assert rows.loc["sample-town", "measured on"] == "test part" and rows.loc["sample-town", "mean IoU"] == pytest.approx(0.875, abs=0.001)
    card = ModelCard.load(MODELS / "dubai-landcover")
    assert rows.loc["dubai-landcover", "measured on"] == "3 folds, networks made alike"
    assert rows.loc["dubai-landcover", "mean IoU"] == card.of_like_networks()[1]


def test_a_model_is_exported_by_a_job_and_offered_with_its_card(opened, workspace, tmp_path, finished, asked):
    trained(workspace, finished, prepared(workspace, tmp_path / "city"), result={"folder": "x"})
    at = sound(opened(TRAIN).button(key="run_export").click().run())
    assert at.session_state["train_tab"] == "Models" and at.selectbox(key="models_chosen").value == str(workspace.models / "small-net")
    at = sound(at.button(key="export_start").click().run())
    kind, request, _ = asked[0]
    assert (kind, request["model"], request["format"]) == ("export_model", str(workspace.models / "small-net"), "onnx")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "net.onnx").write_bytes(b"onnx")
    result = {"path": str(tmp_path / "out" / "net.onnx"), "format": "onnx", "size_bytes": 4, "difference": 1e-7}
    finished("export_model", {"model": str(workspace.models / "small-net"), "out": result["path"], "format": "onnx"}, result)
    at = sound(at.run())
    assert any("Download ONNX" in button.label for button in at.get("download_button")) and "1e-07" in text_of(at)


def test_the_wizard_asks_what_a_regressor_measures(opened, workspace, tmp_path, asked):
    from tests.helpers.measuring import write_measuring

    write_measuring(tmp_path / "hills.onnx")
    at = on_tab(opened(TRAIN), "Models")
    at = sound(at.text_input(key="import_path").set_value(str(tmp_path / "hills.onnx")).run())
    assert "Measures Height, m: one value for each pixel." in text_of(at)
    assert not [box for box in at.selectbox if box.label == "Class names and colours"]
    next(box for box in at.text_input if box.label == "What it measures").set_value("Depth, m")
    sound(at.button(key="import_start").click().run())
    assert [one["name"] for one in asked[0][1]["classes"]["classes"]] == ["Depth, m"]


def test_the_wizard_takes_from_an_onnx_file_what_it_says(opened, workspace, tmp_path, asked):
    given, made = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, count, 64, 64]) for name, count in (("image", 3), ("out", 2)))
    kernel = helper.make_tensor("kernel", TensorProto.FLOAT, [2, 3, 1, 1], [1.0] * 6)
    graph = helper.make_graph([helper.make_node("Conv", ["image", "kernel"], ["out"])], "net", [given], [made], [kernel])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    said = {"model_type": "Segmentor", "class_names": {"0": "Road", "1": "_else_"}, "resolution": 30, "license": "CC BY 4.0"}
    for key, value in {**said, "standardization_mean": [0.5] * 3, "standardization_std": [0.25] * 3}.items():
        model.metadata_props.add(key=key, value=json.dumps(value))
    save_onnx(model, tmp_path / "roads.onnx")
    at = on_tab(opened(TRAIN), "Models")
    at = sound(at.text_input(key="import_path").set_value(str(tmp_path / "roads.onnx")).run())
    assert "An ONNX network." in text_of(at) and "Licence, as it says: CC BY 4.0" in text_of(at)
    sound(at.button(key="import_start").click().run())
    request = asked[0][1]
    assert [entry["name"] for entry in request["classes"]["classes"]] == ["Road", "_else_"] and request["pixel_size_m"] == 0.3
    assert request["normalisation"] == {"kind": "standard", "mean": [127.5] * 3, "std": [63.75] * 3} and request["patch_size"] is None
