"""The command line's contract: every verb on tiny scenes, keys and exit codes, one line for a user's mistake."""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
import rasterio
from PIL import Image
from rasterio.transform import from_origin

from core.__main__ import main
from core.claims import claimed
from core.classes import DUBAI
from core.model_store.cards import ModelCard
from core.training.settings import TrainSettings
from core.verbs import registry
from core.verbs.registry import command_line, find

ROOT = Path(__file__).resolve().parents[2]
SIZE_PX = 96


def run(*arguments: object) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of a command line in this process."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = main([str(argument) for argument in arguments])
        except SystemExit as leaving:
            code = leaving.code
    return code, out.getvalue(), err.getvalue()


def answer(*arguments: object) -> dict:
    """The JSON object of a command line that has to succeed."""
    code, out, err = run(*arguments, "--json")
    assert code == 0, err
    return json.loads(out.strip().splitlines()[-1])


def mistake(*arguments: object) -> str:
    """The one line of a command line that has to be refused."""
    code, out, err = run(*arguments, "--json")
    assert code == 2, (out, err)
    assert out == "" and len(err.strip().splitlines()) == 1, err
    return err.strip()


def write_scene(folder: Path, name: str, number: int) -> None:
    """A scene of two halves, Water in the north and Land in the south, Building in a corner; its mask beside it."""
    ids = np.full((SIZE_PX, SIZE_PX), DUBAI.names.index("Land"), np.uint8)
    ids[: SIZE_PX // 2] = DUBAI.names.index("Water")
    ids[-32:, :32] = DUBAI.names.index("Building")
    noise = np.random.default_rng(number).integers(-20, 20, (SIZE_PX, SIZE_PX, 3))
    picture = np.clip(DUBAI.decode(ids).astype(int) + noise, 0, 255).astype(np.uint8)
    place = {"crs": "EPSG:32640", "transform": from_origin(325000 + 100 * number, 2786000, 0.3, 0.3)}
    for part, pixels in (("images", picture), ("masks", DUBAI.decode(ids))):
        (folder / part).mkdir(parents=True, exist_ok=True)
        with rasterio.open(
            folder / part / f"{name}.tif", "w", driver="GTiff", height=SIZE_PX, width=SIZE_PX, count=3, dtype="uint8", **place
        ) as file:
            file.write(np.moveaxis(pixels, 2, 0))


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data") / "three"
    for number, name in enumerate(("east", "north", "west")):
        write_scene(folder, name, number)
    return folder


@pytest.fixture(scope="module")
def prepared(dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict]:
    out = tmp_path_factory.mktemp("prepared") / "patches"
    return out, answer("prepare", dataset, out, "--patch-size", 32, "--stride", 32, "--hold-out", "west", "--validation", 0.5)


@pytest.fixture(scope="module")
def model(prepared: tuple[Path, dict], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict]:
    out = tmp_path_factory.mktemp("models") / "tiny"
    settings = ("--epochs", 2, "--batch-size", 3, "--filters", "4,8", "--no-augment", "--loss", "cross_entropy", "--seed", 3)
    return out, answer("train", prepared[0], out, *settings)


@pytest.fixture(scope="module")
def prediction(model: tuple[Path, dict], dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict]:
    out = tmp_path_factory.mktemp("predictions") / "west"
    return out, answer("predict", model[0], dataset / "images" / "west.tif", out, "--engine", "tensorflow")


def test_a_folder_of_scenes_is_estimated_and_predicted_with_one_table(model, dataset, tmp_path):
    images = dataset / "images"
    # The limit is for the whole process, and this one holds TensorFlow.
    settings = ("--engine", "tensorflow", "--overlap", 0.25, "--memory", "8GiB")
    (tmp_path / "scenes").mkdir()
    for name in ("east", "west"):
        shutil.copy(images / f"{name}.tif", tmp_path / "scenes")
    small = tmp_path / "small.png"
    Image.fromarray(np.zeros((20, 20, 3), np.uint8)).save(small)
    told = answer("estimate", model[0], images / "west.tif", *settings)
    table = answer("predict-batch", model[0], tmp_path / "scenes", tmp_path / "out", *settings)
    # 96 px, patch 32, step 24, margin 4: ceil((96 + 8 - 32) / 24) + 1 = 4 rows and columns of patches.
    assert told["windows"] == 16 and [row["windows"] for row in table["results"]] == [16, 16]
    assert (table["scenes"], table["failed"]) == (2, 0) and (tmp_path / "out/results.csv").is_file()
    assert "16 windows" in find("estimate").said(told) and "2 of 2 scenes" in find("predict_batch").said(table)
    assert "other files" in mistake("predict-batch", model[0], tmp_path / "scenes", dataset)
    assert "at least 2" in mistake("quantise", model[0], small)


def test_audit_tells_what_the_contract_names(dataset):
    found = answer("audit", dataset)
    assert {"pairs", "unpaired", "size_mismatches", "off_palette", "palette_conflicts", "classes", "mosaics"} <= set(found)
    assert found["pairs"] == 3
    # Of 96 x 96 pixels the north half is Water, 32 x 32 of the rest Building: 1024 / 9216 = 1/9.
    assert found["classes"]["Water"] == pytest.approx(0.5)
    assert found["classes"]["Building"] == pytest.approx(1 / 9)


def test_audit_takes_a_class_file(dataset, tmp_path):
    other = tmp_path / "classes.json"
    other.write_text(json.dumps(DUBAI.to_dict()).replace("Water", "Sea"))
    assert answer("audit", dataset, "--classes", other)["classes"]["Sea"] == pytest.approx(0.5)


def test_prepare_tells_what_the_contract_names(prepared):
    folder, found = prepared
    # Each scene gives 3 x 3 patches of 32; one scene is held out, of the other two half of them validates.
    assert found["patches"] == {"train": 9, "validation": 9, "test": 9}
    assert found["dropped"] == 0 and found["shared_pixels"] == 0
    assert found["folder"] == str(folder)


def test_prepare_scales_and_chooses_bands(dataset, tmp_path):
    found = answer("prepare", dataset, tmp_path / "p", "--patch-size", 48, "--stride", 48, "--scale", 0.5, "--bands", "3,1")
    assert sum(found["patches"].values()) == 3
    assert found["bands"] == [3, 1] and found["scale"] == 0.5


def test_train_tells_what_the_contract_names(model):
    folder, found = model
    assert Path(found["model"]) == folder
    assert found["epochs"] == 2 and found["best_epoch"] in (1, 2)
    assert 0 <= found["validation"]["mean_iou"] <= 1 and 0 <= found["validation"]["accuracy"] <= 1


def test_train_takes_resized_scenes_and_crops_together(dataset, prepared, tmp_path):
    small, out = tmp_path / "small", tmp_path / "both"
    answer("prepare", dataset, small, "--patch-size", 32, "--scale", 0.75, "--hold-out", "north", "--validation", 0.5)
    settings = ("--epochs", 1, "--batch-size", 3, "--filters", "4,8", "--no-augment", "--loss", "cross_entropy", "--seed", 3)
    found = answer("train", prepared[0], out, "--also", small, *settings)
    split = json.loads((out / "card.json").read_text())["split"]
    # "west" is held out by one and "north" by the other: of what is left nothing is shared.
    assert found["epochs"] == 1 and split["shared_pixels"] == 0 and split["stores"] == [str(prepared[0]), str(small)]
    assert set(split["pairs"]["test"]) == {"west", "north"} and not {"west", "north"} & set(split["pairs"]["train"])
    assert "has patches of 16 px. Expected patches of 32 px" in mistake(
        "train", prepared[0], out, "--also", answer("prepare", dataset, tmp_path / "16", "--patch-size", 16)["folder"]
    )


def test_train_goes_on_after_the_last_epoch(prepared, model, tmp_path):
    copy = tmp_path / "tiny"
    shutil.copytree(model[0], copy)
    settings = ("--batch-size", 3, "--filters", "4,8", "--no-augment", "--loss", "cross_entropy", "--seed", 3)
    found = answer("train", prepared[0], copy, *settings, "--epochs", 3, "--resume")
    assert found["epochs"] == 3
    assert len((copy / "history.jsonl").read_text().splitlines()) == 3


def test_every_training_setting_can_be_typed():
    words = ["train", "p", "o", *_every_setting()]
    options = command_line(words).parse_args(words)
    _, request = options.typed(options)
    made = TrainSettings.from_dict(request["settings"])
    untouched = [field.name for field in fields(TrainSettings) if getattr(made, field.name) == getattr(TrainSettings(), field.name)]
    assert untouched == []


def _every_setting() -> list[str]:
    """Each setting with a value that is not its default."""
    values = {
        "architecture": "fpn",
        "encoder": "resnet34",
        "weights": "imagenet",
        "epochs": 7,
        "batch_size": 2,
        "learning_rate": 0.5,
        "loss": "dice",
        "class_weights": "median",
        "patience": 3,
        "seed": 9,
        "filters": "8,16",
        "dropout": 0.3,
        "optimizer": "sgd",
        "schedule": "cosine",
        "warmup_epochs": 1,
        "weight_decay": 0.2,
        "clip_norm": 1.0,
        "monitor": "loss",
        "sampling": "balanced",
        "steps_per_epoch": 5,
        "mixed_precision": "off",
        "name": "mine",
        "augmentation": "hue=0.1",
        "average_weights": 0.9,
        "normalisation": "patch",
        "freeze": "early",
        "encoder_rate": 0.2,
    }
    typed = [text for name, value in values.items() for text in (f"--{name.replace('_', '-')}", str(value))]
    return [*typed, "--no-augment", "--per-class"]


def test_settings_that_are_not_typed_are_left_to_the_library():
    words = ["train", "p", "o", "--epochs", "7"]
    options = command_line(words).parse_args(words)
    assert options.typed(options) == (find("train"), {"prepared": "p", "out": "o", "settings": {"epochs": 7}})


def test_evaluate_tells_what_the_contract_names(model, dataset):
    found = answer("evaluate", model[0], dataset, "--scenes", "test", "--engine", "tensorflow")
    assert {"accuracy", "mean_iou", "micro_iou", "classes", "pixels", "ignored_pixels"} <= set(found)
    assert found["pixels"] + found["ignored_pixels"] == SIZE_PX**2
    assert set(found["classes"]) == set(DUBAI.names)
    assert set(found["classes"]["Water"]) >= {"iou", "precision", "recall", "f1"}
    # Vegetation is in no mask: absent, not 0.
    assert found["classes"]["Vegetation"]["iou"] is None
    assert np.sum(found["confusion"]) == found["pixels"]
    assert set(found["scenes"]) == {"west"}
    assert "1 scene" in found["intervals"]["text"] and 0 <= found["calibration"]["ece"] <= 1


def test_evaluate_keeps_what_it_found_and_two_are_compared(model, dataset, tmp_path):
    folder, again = tmp_path / "first", tmp_path / "second"
    found = answer(
        "evaluate", model[0], dataset, "--out", folder, "--report", tmp_path / "r.html", "--polygons", "Building", "--engine", "tensorflow"
    )
    assert found["folder"] == str(folder) and (folder / "evaluation.json").exists() and (tmp_path / "r.html").exists()
    assert found["classes"]["Building"]["polygons"]["truth"] == 3
    assert f"Written to {folder}" in find("evaluate").said(found)
    shutil.copytree(folder, again)
    both = answer("compare", folder, again, "--out", tmp_path / "maps")
    assert {row["difference"] for row in both["rows"]} <= {0, None} and both["scenes"] == 3
    assert (tmp_path / "maps" / "0003.tif").exists() and sum(both["disagreement"]["pixels"].values()) == 3 * SIZE_PX**2
    assert "accuracy" in find("compare").said(both)
    assert json.loads((tmp_path / "maps" / "comparison.json").read_text())["rows"] == both["rows"]
    assert "split" in mistake("compare", folder, again, "--optimistic")
    assert "validation" in mistake("evaluate", model[0], dataset, "--store-temperature")
    assert "no evaluation" in mistake("compare", folder, dataset)


def test_predict_tells_what_the_contract_names(prediction):
    folder, found = prediction
    assert found["folder"] == str(folder)
    assert {"seconds", "model_seconds", "peak_memory_mib", "windows"} <= set(found)
    assert found["windows"] > 0 and found["seconds"] >= found["model_seconds"]
    with rasterio.open(folder / "labels.tif") as file:
        assert (file.height, file.width, file.count) == (SIZE_PX, SIZE_PX, 1)
        assert file.crs.to_epsg() == 32640


def test_predict_takes_a_window(model, dataset, tmp_path):
    scene = dataset / "images" / "west.tif"
    answer("predict", model[0], scene, tmp_path / "p", "--window", "10,20,40,33", "--engine", "tensorflow", "--overlap", 0.25)
    with rasterio.open(tmp_path / "p" / "labels.tif") as file:
        assert (file.height, file.width) == (40, 33)
        # 20 columns of 0.3 m east of the scene's corner, 10 rows south of it.
        assert file.transform.c == pytest.approx(325000 + 200 + 6.0) and file.transform.f == pytest.approx(2786000 - 3.0)


def test_vectorize_writes_each_file_with_all_its_polygons(prediction, tmp_path):
    files = [tmp_path / f"out{suffix}" for suffix in (".gpkg", ".geojson", ".csv")]
    found = answer("vectorize", prediction[0], *files, "--min-area", 4, "--simplify", "0.5px")
    assert {"polygons", "classes", "invalid", "gap_area", "overlap_area", "seconds", "crs", "units"} <= set(found)
    assert (found["invalid"], found["gap_area"], found["overlap_area"]) == (0, 0, 0)
    assert (found["crs"], found["units"]) == ("EPSG:32640", "m")
    assert sum(values["polygons"] for values in found["classes"].values()) == found["polygons"] > 0
    assert [(file["path"], file["features"]) for file in found["files"]] == [(str(file), found["polygons"]) for file in files]
    assert ["longitude and latitude" in " ".join(file["notes"]) for file in found["files"]] == [False, True, False]
    assert len((tmp_path / "out.csv").read_text().strip().splitlines()) == found["polygons"] + 1


def test_vectorize_measures_a_raster_without_coordinates_by_the_pixel_size(tmp_path):
    ids = np.zeros((20, 30), np.uint8)
    ids[5:15, 5:15] = 1
    Image.fromarray(ids).save(tmp_path / "ids.png")
    found = answer("vectorize", tmp_path / "ids.png", tmp_path / "a.geojson", "--pixel-size", 0.5, "--simplify", 0)
    # 10 x 10 pixels of 0.5 m are 25 m2; the rest, 500 pixels, 125 m2.
    assert found["crs"] is None and found["units"] == "m"
    assert sorted(values["area_m2"] for values in found["classes"].values()) == pytest.approx([25.0, 125.0])


def test_models_lists_the_shipped_and_the_users_own(model, tmp_path, monkeypatch):
    monkeypatch.setenv("GROUNDLINE_WORKSPACE", str(tmp_path))
    shutil.copytree(model[0], tmp_path / "models" / "mine")
    mine = {entry["name"]: entry for entry in answer("models")["models"]}["mine"]
    assert mine["classes"] == list(DUBAI.names) and mine["bands"] == [1, 2, 3] and mine["patch_size"] == 32
    code, out, _ = run("models")
    assert code == 0 and "mine" in out


def test_an_old_keras_file_is_taken_in_with_what_is_typed(model, dataset, tmp_path):
    old = tmp_path / "old.keras"
    shutil.copy(model[0] / "model.keras", old)
    names = ",".join(f"class {letter}" for letter in "abcde")
    found = answer("import-model", old, tmp_path / "m", "--classes", names, "--bands", "1,2,3", "--divide-by", 128, "--dtype", "uint8")
    assert (found["folder"], found["assumed"]) == (str(tmp_path / "m"), [])
    card = ModelCard.load(tmp_path / "m")
    assert card.scheme.names == ("class a", "class b", "class c", "class d", "class e")
    assert card.normalisation == {"kind": "divide", "divisor": 128.0}
    assert answer("predict", tmp_path / "m", dataset / "images" / "west.tif", tmp_path / "p", "--engine", "tensorflow")["windows"] > 0
    code, _, said = run("import-model", old, tmp_path / "n", "--bands", "1,2")
    assert code == 2 and "bands [1, 2]" in said and "3 band numbers" in said and not (tmp_path / "n").exists()
    found = answer("import-model", old, tmp_path / "o")
    assert len(found["assumed"]) == 3
    assert "Assumed" in find("import_model").said(found)


def test_demo_runs_the_whole_path(model, dataset, tmp_path):
    out, heard = tmp_path / "demo", []
    request = {"out": str(out), "model": str(model[0]), "scene": str(dataset / "images" / "west.tif")}
    found = registry.run("demo", request, on_progress=lambda *told: heard.append(told))
    # One bar for all of it, which never runs backwards.
    assert {total for _, total, _ in heard} == {100_000} and [done for done, _, _ in heard] == sorted(done for done, _, _ in heard)
    suffixes = (".gpkg", ".shp.zip", ".geojson", ".csv", ".kml", ".html")
    assert [entry["path"] for entry in found["files"]] == [str(out / f"west{suffix}") for suffix in suffixes]
    assert {entry["features"] for entry in found["files"]} == {found["vectorize"]["polygons"]}
    assert (out / "prediction" / "labels.tif").exists()
    assert found["evaluate"]["pixels"] == SIZE_PX**2
    assert set(found["timings"]) == {"predict", "vectorize", "export", "evaluate"}


def test_a_demo_looks_for_masks_beside_a_folder_of_images_alone(model, dataset, tmp_path, monkeypatch):
    """A scene in somebody's downloads is no reason to look through all of their home."""
    (downloads := tmp_path / "downloads").mkdir()
    shutil.copy(dataset / "images" / "west.tif", downloads)
    opened = []
    monkeypatch.setattr("core.datasets.datasets.open_dataset", lambda folder, **_: opened.append(folder))
    found = registry.run("demo", {"out": str(tmp_path / "out"), "model": str(model[0]), "scene": str(downloads / "west.tif")})
    assert found["evaluate"] is None and opened == []


def test_people_get_a_short_summary(dataset):
    code, out, _ = run("audit", dataset)
    assert code == 0
    assert "3 pairs" in out and "50.00 %" in out


def test_each_summary_says_what_matters(prepared, model, prediction, dataset, tmp_path):
    said = find("prepare").said(prepared[1])
    assert "train" in said and "0 pixels shared" in said and str(prepared[0]) in said
    said = find("train").said(model[1])
    assert "2 epochs" in said and str(model[0]) in said
    assert str(prediction[0]) in find("predict").said(prediction[1])
    evaluated = answer("evaluate", model[0], dataset, "--engine", "tensorflow")
    said = find("evaluate").said(evaluated)
    # Road is in no mask: no score, and not 0 either.
    assert next(line for line in said.splitlines() if line.startswith("Road")).split()[1] == "-"
    assert f"{evaluated['accuracy']:.4f}" in said
    drawn = answer("vectorize", prediction[0], tmp_path / "a.gpkg")
    said = find("vectorize").said(drawn)
    assert f"{drawn['polygons']} polygons" in said and "EPSG:32640" in said and "a.gpkg" in said
    assert "No models yet" in find("models").said({"models": []})


def test_the_module_runs_as_a_program_and_shows_progress(dataset, tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "core", "prepare", str(dataset), str(tmp_path / "p"), "--patch-size", "32", "--json"],
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1])["folder"] == str(tmp_path / "p")
    assert "Traceback" not in done.stderr


class TestMistakes:
    """What a user can get wrong: one line that says what was found, what was expected and what to do."""

    def test_a_folder_with_no_pairs(self, tmp_path):
        (tmp_path / "notes.txt").write_text("nothing to see")
        for verb in (("audit", tmp_path), ("prepare", tmp_path, tmp_path / "out")):
            line = mistake(*verb)
            assert "Expected" in line and "pairs" in line
        assert not (tmp_path / "out").exists()

    def test_a_folder_that_is_not_there(self, tmp_path):
        assert "nothing at" in mistake("audit", tmp_path / "nowhere")

    def test_a_mask_of_another_size(self, dataset, tmp_path):
        copy = tmp_path / "data"
        shutil.copytree(dataset, copy)
        with rasterio.open(copy / "masks" / "east.tif") as file:
            profile, pixels = file.profile, file.read()
        profile.update(height=90)
        with rasterio.open(copy / "masks" / "east.tif", "w", **profile) as file:
            file.write(pixels[:, :90])
        line = mistake("prepare", copy, tmp_path / "out", "--patch-size", 32)
        assert "mask of east has 90 x 96" in line and "96 x 96" in line
        assert not (tmp_path / "out").exists()
        assert answer("audit", copy)["size_mismatches"]

    def test_a_model_that_is_missing(self, dataset, tmp_path):
        scene = dataset / "images" / "west.tif"
        for verb in (
            ("predict", "nowhere", scene, tmp_path / "p"),
            ("evaluate", "nowhere", dataset),
            ("demo", tmp_path / "d", "--model", "nowhere"),
        ):
            assert "'nowhere'" in mistake(*verb)
        assert list(tmp_path.iterdir()) == []

    def test_a_scene_that_is_no_image(self, model, tmp_path):
        text = tmp_path / "scene.tif"
        text.write_text("not an image")
        assert "scene.tif" in mistake("predict", model[0], text, tmp_path / "p")
        assert not (tmp_path / "p").exists()

    def test_a_prediction_that_is_none(self, tmp_path):
        (tmp_path / "empty").mkdir()
        mistake("vectorize", tmp_path / "empty", tmp_path / "a.gpkg")
        mistake("vectorize", tmp_path / "nowhere", tmp_path / "a.gpkg")
        assert not (tmp_path / "a.gpkg").exists()

    def test_a_file_ending_that_is_no_format(self, prediction, tmp_path):
        line = mistake("vectorize", prediction[0], tmp_path / "a.docx")
        assert ".gpkg" in line

    def test_patches_that_were_never_prepared(self, dataset, tmp_path):
        assert "prepare" in mistake("train", dataset, tmp_path / "m")

    def test_settings_out_of_range(self, prepared, tmp_path):
        assert "epochs" in mistake("train", prepared[0], tmp_path / "m", "--epochs", 0)
        assert "invalid choice" in mistake("train", prepared[0], tmp_path / "m", "--loss", "magic")
        assert "unet" in mistake("train", prepared[0], tmp_path / "m", "--architecture", "magic")
        assert not (tmp_path / "m").exists()

    def test_a_group_to_hold_out_that_is_not_there(self, dataset, tmp_path):
        assert "'south'" in mistake("prepare", dataset, tmp_path / "p", "--hold-out", "south", "--patch-size", 32)

    def test_a_window_that_is_no_window(self, model, dataset, tmp_path):
        scene = dataset / "images" / "west.tif"
        assert "ROW,COL,HEIGHT,WIDTH" in mistake("predict", model[0], scene, tmp_path / "p", "--window", "1,2,3")
        mistake("predict", model[0], scene, tmp_path / "p", "--window", "1000,0,10,10")

    def test_a_cluster(self, model, dataset, tmp_path):
        line = mistake("predict", model[0], dataset / "images" / "west.tif", tmp_path / "p", "--cluster", "everywhere")
        assert "cluster 'everywhere'" in line and "Expected none, local" in line

    def test_an_output_folder_that_holds_other_things(self, model, dataset, tmp_path):
        (tmp_path / "thesis.txt").write_text("years of work")
        for verb in (("predict", model[0], dataset / "images" / "west.tif", tmp_path), ("prepare", dataset, tmp_path)):
            assert "other files" in mistake(*verb)
        assert (tmp_path / "thesis.txt").read_text() == "years of work"

    def test_an_output_that_cannot_be_written(self, prediction, tmp_path):
        (tmp_path / "file").write_text("")
        assert "is no folder" in mistake("vectorize", prediction[0], tmp_path / "file" / "a.gpkg")

    def test_words_that_are_no_command(self):
        assert "invalid choice: 'dance'" in mistake("dance")
        assert "DATASET" in mistake("audit")


@pytest.mark.skipif(sys.platform == "win32", reason="a Ctrl-C cannot be sent to one process on Windows")
def test_ctrl_c_stops_and_leaves_nothing_half_written(tmp_path):
    for number in range(60):
        write_scene(tmp_path / "data", f"scene{number:02d}", number)
    out = tmp_path / "out"
    process = subprocess.Popen(
        [sys.executable, "-m", "core", "prepare", str(tmp_path / "data"), str(out), "--patch-size", "8", "--stride", "2"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    line = process.stderr.readline()
    assert "%" in line, line
    process.send_signal(signal.SIGINT)
    began = time.monotonic()
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert err.strip().splitlines()[-1].startswith("Stopped") and "Traceback" not in err
    assert not out.exists()
    assert time.monotonic() - began < 30


@pytest.mark.parametrize(
    ("verb", "words", "taken"),
    [
        ("prepare", ("{dataset}", "{out}", "--patch-size", "32"), "{out}"),
        ("vectorize", ("{labels}", "{out}.geojson", "{out}.gpkg"), "{out}.gpkg"),
        ("audit", ("{dataset}",), None),
    ],
)
def test_a_second_run_into_the_same_place_is_refused_in_one_line(dataset, tmp_path, verb, words, taken):
    labels = tmp_path / "labels.tif"
    with rasterio.open(
        labels, "w", driver="GTiff", height=40, width=50, count=1, dtype="uint8", transform=from_origin(0, 40, 1, 1)
    ) as file:
        file.write(np.tri(40, 50, dtype=np.uint8)[None])
    named = {"dataset": dataset, "labels": labels, "out": tmp_path / "result"}
    words = [word.format(**named) for word in words]
    if taken is None:
        assert run(verb, *words)[0] == 0
        return
    before = set(tmp_path.iterdir())
    with claimed(taken.format(**named)):
        held = set(tmp_path.iterdir())
        assert "is being written by another run. Expected an output that nobody else writes" in mistake(verb, *words)
        assert set(tmp_path.iterdir()) == held  # not a file of the others was written either
    assert set(tmp_path.iterdir()) == before
    assert run(verb, *words)[0] == 0
