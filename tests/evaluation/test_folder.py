"""A whole evaluation: its counts against plain sums, its folder, and what it says of planted mistakes."""

import csv
import json
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
import rasterio

from core.confusion import Confusion
from core.errors import Cancelled, InputError, ModelError, SettingsError
from core.evaluation.comparing import DISAGREEMENT_BANDS, VERDICTS, compare, optimistic_against_honest, verdicts, write_disagreement
from core.evaluation.evaluate import store_temperature
from core.evaluation.measure import patch_edges
from core.evaluation.result import VIEWS, Evaluation
from core.evaluation.writing import write_all, write_csv, write_report
from core.files import dump_json
from core.model_store.models import find_model
from core.scenes.opening import scene_of_array
from core.scenes.scene import Window
from tests.evaluation.conftest import HEIGHT, WIDTH, ids_of, make_dataset, run
from tests.helpers.standins import SCHEME, make_model, probabilities

ROOT = Path(__file__).resolve().parents[2]


def maps(evaluation, number=0):
    with rasterio.open(evaluation.folder / "maps" / evaluation.results[number].map) as file:
        assert file.descriptions == ("prediction", "truth", "confidence", "label_probability")
        return file.read()


def test_counts_are_those_of_the_maps(saved):
    for number, result in enumerate(saved.results):
        labels, truth, confidence, own = maps(saved, number)
        np.testing.assert_array_equal(truth, ids_of(number))
        assert result.confusion == Confusion.empty(3).add(truth, labels)
        np.testing.assert_array_equal(result.unlabelled, np.bincount(labels[truth == 255], minlength=3))
        np.testing.assert_array_equal(result.mapped, np.bincount(labels.ravel(), minlength=3))
        np.testing.assert_array_equal(result.sample, Confusion.empty(3).add(truth[16::32, 16::32], labels[16::32, 16::32]).counts)
        assert (own[(labels == truth)] == confidence[labels == truth]).all() and (own[truth == 255] == 0).all()
        assert result.pixel_area_m2 == pytest.approx(0.25, rel=0.01)
    assert saved.confidences.sum() == saved.confusion.pixels and saved.histogram[0].sum() == saved.confusion.pixels
    assert saved.confidences[1].sum() == np.trace(saved.confusion.counts)
    assert saved.with_ignored.pixels == 6 * HEIGHT * WIDTH
    # The last of 120 columns is not labelled: with it the accuracy of a scene is 119 / 120 of what it is without.
    scene = saved.summary()["scenes"]["s1"]
    assert scene["with_ignored"]["accuracy"] == pytest.approx(scene["accuracy"] * 119 / 120)
    # It is called bright, which costs that class alone: its IoU falls, that of dark stays.
    classes = saved.summary()["classes"]
    assert classes["Dark"]["iou_with_ignored"] == classes["Dark"]["iou"]
    assert classes["Bright"]["iou_with_ignored"] < classes["Bright"]["iou"]


def test_patches_tile_the_scenes_and_come_worst_first(saved):
    assert sum(patch.pixels for patch in saved.patches) == saved.confusion.pixels
    assert sum(patch.errors for patch in saved.patches) == saved.confusion.pixels - np.trace(saved.confusion.counts)
    enough = [patch for patch in saved.patches if patch.pixels >= 0.1 * patch.height * patch.width]
    assert [patch.error_fraction for patch in enough] == sorted((patch.error_fraction for patch in enough), reverse=True)
    worst = saved.patches[0]
    labels, truth, _, own = (
        values[Window(worst.row, worst.col, worst.height, worst.width).slices] for values in maps(saved, int(worst.scene[1]))
    )
    known = truth != 255
    assert worst.errors == (labels != truth)[known].sum() > 100
    assert worst.loss == pytest.approx(-np.log(np.maximum(own[known], 0.5) / 255).mean())
    # The spots on which the model is wrong lie in the rows 5 to 29.
    assert all(patch.row == 0 for patch in saved.patches[:6])


@pytest.mark.parametrize(("length", "edges"), [(544, [0, 272, 544]), (100, [0, 100]), (383, [0, 383]), (385, [0, 192, 385])])
def test_patches_are_never_thin(length, edges):
    assert patch_edges(length, 256) == edges


def test_objects_areas_and_boundaries_are_there(saved):
    # The middle stripe is one object in each scene; the spots take a bite of it that leaves well over half.
    assert (saved.polygons["Middle"].truth, saved.polygons["Middle"].matched) == (6, 6)
    areas = saved.areas()
    assert areas.mapped.sum() == pytest.approx(6 * HEIGHT * WIDTH * 0.25, rel=0.01)
    assert areas.estimated.sum() == pytest.approx(areas.mapped.sum())
    # The spots are called dark and are middle: the estimate moves area back.
    assert areas.estimated[0] < areas.mapped[0] and areas.estimated[1] > areas.mapped[1]
    # The spots lie on the border of dark and middle and away from bright.
    assert 0.3 < saved.boundary_iou[0] < saved.boundary_iou[1] < saved.boundary_iou[2] == 1
    halved = saved.areas([1.0, 1.0, 2.0])
    assert halved.mapped.sum() == 4 and halved.estimated.sum() == pytest.approx(4)


def test_a_folder_gives_back_what_was_found(saved):
    again = Evaluation.load(saved.folder)
    assert dump_json(again.summary()) == dump_json(saved.summary())
    assert again.patches == saved.patches and again.label_errors == saved.label_errors
    np.testing.assert_array_equal(again.histogram, saved.histogram)
    assert again.calibration.temperature == saved.calibration.temperature and again.calibration.after.ece == saved.calibration.after.ece
    assert json.loads((saved.folder / "evaluation.json").read_text())["summary"]["mean_iou"] == saved.confusion.mean_iou


def test_an_evaluation_is_written_whole_and_spares_other_folders(saved, tmp_path):
    copy = shutil.copytree(saved.folder, tmp_path / "copy", ignore=shutil.ignore_patterns("*.json", "*.csv", "*.html"))
    write_all(Evaluation.load(saved.folder).placed(copy), copy)
    names = {path.relative_to(saved.folder) for path in saved.folder.rglob("*")}
    assert {path.relative_to(copy) for path in copy.rglob("*")} == names
    assert len([name for name in names if name.suffix == ".png"]) == (3 + min(3, len(saved.label_errors))) * len(VIEWS)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years")
    with pytest.raises(SettingsError, match="other files"):
        run(tmp_path, make_dataset(tmp_path), folder=tmp_path / "mine")
    with pytest.raises(InputError, match="evaluation.json"):
        Evaluation.load(tmp_path / "mine")


def test_tables_hold_what_the_scores_say(saved):
    def rows(name):
        with (saved.folder / f"{name}.csv").open(encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))

    assert [row["class"] for row in rows("classes")] == list(SCHEME.names)
    assert float(rows("classes")[1]["iou"]) == pytest.approx(saved.confusion.iou[1], rel=1e-5)
    assert len(rows("scenes")) == 6 and len(rows("patches")) == len(saved.patches) and len(rows("thresholds")) == 3 * 256
    assert sum(int(row["Dark"]) for row in rows("confusion")) == saved.with_ignored.counts[:, 0].sum()
    low, value, high = (float(rows("scores")[0][key]) for key in ("low", "value", "high"))
    assert low < value < high


class Links(HTMLParser):
    def __init__(self):
        super().__init__()
        self.found, self.tags = [], []

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.found += [value for key, value in attributes if key in ("src", "href", "data", "srcset")]


def test_the_report_needs_no_other_file_and_no_network(saved, tmp_path):
    text = (saved.folder / "report.html").read_text(encoding="utf-8")
    page = Links()
    page.feed(text)
    assert page.found and all(link.startswith("data:image/png;base64,") for link in page.found)
    assert not {"script", "link", "iframe"} & set(page.tags)
    assert not re.search(r"url\(|@import|https?://(?!www\.w3\.org/2000/svg)", text)
    assert f"{saved.confusion.mean_iou:.3f}" in text and "Worst patches" in text and "Olofsson" in text
    # Names are other people's words, and an evaluation without pictures has a report too.
    bare = replace(saved, model="<b>me</b>", folder=None, patches=(), label_errors=(), calibration=None)
    plain = write_report(bare, tmp_path / "r.html").read_text(encoding="utf-8")
    assert "<b>me</b>" not in plain and "&lt;b&gt;me" in plain and "Worst patches" not in plain


def test_reading_an_evaluation_loads_no_network_library(saved):
    code = (
        f"import sys; from core.evaluation.result import Evaluation; Evaluation.load({str(saved.folder)!r}).summary(); "
        "print([name for name in ('tensorflow', 'keras', 'openvino', 'pandas', 'streamlit') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout.strip() == "[]"


def test_a_stopped_evaluation_leaves_nothing(tmp_path):
    asked = []
    with pytest.raises(Cancelled):
        run(tmp_path, make_dataset(tmp_path), folder=tmp_path / "out", should_stop=lambda: asked.append(1) or len(asked) > 30)
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_progress_rises_to_its_end(tmp_path):
    steps = []
    run(tmp_path, make_dataset(tmp_path, scenes=2), on_progress=lambda done, total, message: steps.append((done, total)))
    assert [done for done, _ in steps] == sorted(done for done, _ in steps)
    assert steps[-1][0] == steps[-1][1] and len({total for _, total in steps}) == 1


@pytest.mark.parametrize("noise", [6, 12])
def test_planted_label_errors_come_first(tmp_path, noise):
    def plant(number, ids):
        if number == 2:
            ids[100:114, 8:24] = 2  # 224 dark pixels called bright
        if number == 4:
            ids[60:72, 90:110] = 0  # 240 bright ones called dark
        ids[:, 36 + number - 2 : 36 + number] = 0  # an outline drawn 2 px beside
        return ids

    found = run(tmp_path, make_dataset(tmp_path, noise=noise, change=plant)).label_errors
    first = {(error.scene, error.labelled, error.predicted): error for error in found[:5]}
    small = first["s2", "Bright", "Dark"]
    assert (small.row, small.col, small.height, small.width) == (100, 8, 14, 16) and small.pixels == 224
    assert ("s4", "Dark", "Bright") in first
    # The spots are larger, but the model is not sure there; and the outline is too thin to be an error of class.
    assert not [error for error in found if error.predicted == "Dark" and error.labelled == "Middle"]
    assert small.confidence > 0.7 and small.label_probability < 0.1


def test_a_sharpened_model_is_called_overconfident_and_mended(tmp_path):
    rng = np.random.default_rng(0)
    # Of two classes, the first is right with the probability that its brightness says.
    share = rng.uniform(0.5, 1.0, (200, 200))
    ids = (rng.random(share.shape) > share).astype(np.uint8)
    image = scene_of_array(np.repeat((share * 255).astype(np.uint8)[..., None], 3, axis=2))
    data = make_dataset(tmp_path, scenes=1)
    pair = replace(data.pairs[0], image_opener=lambda: image, mask_opener=lambda: scene_of_array(ids))
    data = replace(data, pairs=(pair,))

    def network(power):
        def shown(patches):
            first = patches[..., 0].astype(np.float32) ** power
            second = (1 - patches[..., 0].astype(np.float32)) ** power
            return np.stack([first / (first + second), second / (first + second), 0 * first], axis=-1)

        return shown

    honest = run(tmp_path, data, network=network(1), overlap=0.0)
    assert honest.reliability.ece < 0.02 and honest.calibration.temperature == pytest.approx(1, abs=0.1)
    loud = run(tmp_path, data, network=network(3), overlap=0.0)
    assert loud.reliability.ece > 0.1 and loud.calibration.temperature == pytest.approx(3, rel=0.1)
    np.testing.assert_array_equal(loud.confusion.counts, honest.confusion.counts)

    model = make_model(tmp_path / "model")
    model.card.save(model.folder)
    stored = store_temperature(model, loud)
    assert find_model(model.folder).card.temperature == stored.card.temperature
    mended = run(tmp_path, data, network=network(3), overlap=0.0, card={"temperature": stored.card.temperature})
    assert mended.reliability.ece < 0.02 and mended.calibration.fitted == pytest.approx(1, abs=0.02)
    np.testing.assert_array_equal(mended.confusion.counts, loud.confusion.counts)
    with pytest.raises(ModelError, match="Evaluate it"):
        store_temperature(stored, loud)


def test_two_runs_differ_where_one_is_spoilt(saved, tmp_path):
    def blind(patches):
        found = probabilities(patches)
        found[..., 0] += found[..., 2]
        found[..., 2] = 0
        return found

    worse = run(tmp_path, make_dataset(tmp_path), network=blind, folder=tmp_path / "worse", pictures=0)
    rows = {(row.score, row.name): row for row in compare(saved, worse).rows}
    assert rows["iou", "Bright"].second == 0 and rows["iou", "Bright"].clear and rows["accuracy", None].high < 0
    assert rows["iou", "Middle"].difference == pytest.approx(0, abs=0.02)
    found = write_disagreement(saved, worse, tmp_path / "maps")
    file = tmp_path / "maps" / found["scenes"]["s3"]["file"]
    with rasterio.open(file) as source:
        assert source.descriptions == DISAGREEMENT_BANDS and source.crs.to_epsg() == 32640 and source.transform.c == 303000
        first, second, verdict = source.read()
    np.testing.assert_array_equal(first, maps(saved, 3)[0])
    np.testing.assert_array_equal(second, maps(worse, 3)[0])
    assert (verdict == VERDICTS.index("only the first right")).sum() == ((first == 2) & (second != 2) & (ids_of(3) == 2)).sum() > 0
    assert sum(found["pixels"].values()) == 6 * HEIGHT * WIDTH
    before = {path.name: path.read_bytes() for path in (tmp_path / "maps").iterdir()}
    with pytest.raises(TypeError):  # maps and comparison are one result: where one cannot be written, both stay what they were
        write_disagreement(worse, saved, tmp_path / "maps", answer={"rows": object()})
    assert {path.name: path.read_bytes() for path in (tmp_path / "maps").iterdir()} == before
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years")
    with pytest.raises(SettingsError, match="other files"):
        write_disagreement(saved, worse, tmp_path / "mine")
    with pytest.raises(InputError, match="no map"):
        write_disagreement(saved, replace(worse, folder=None), tmp_path / "other")


def test_verdicts_by_hand():
    first, second, truth = (
        np.array([values], np.uint8) for values in ([1, 1, 0, 0, 0, 1, 1, 255], [1, 0, 1, 0, 2, 1, 0, 1], [1, 1, 1, 1, 1, 255, 255, 1])
    )
    assert verdicts(first, second, truth).tolist() == [[1, 2, 3, 4, 5, 6, 7, 0]]


def test_runs_that_cannot_be_compared_are_refused(saved):
    other = replace(saved, results=tuple(replace(one, name=f"x{one.name}") for one in saved.results))
    with pytest.raises(InputError, match="common scene"):
        compare(saved, other)
    with pytest.raises(InputError, match="classes"):
        compare(saved, replace(saved, scheme=replace(SCHEME, names=("a", "b", "c"))))
    part = compare(saved, replace(saved, results=saved.results[:3]))
    assert len(part.scenes) == 3 and "3 scenes" in part.notes[0] and part.rows[0].low is None


def test_the_optimistic_score_stands_beside_the_honest_one(saved):
    leaked, honest = replace(saved, split="random"), replace(saved, split="group", scenes="test", results=saved.results[:2])
    found = optimistic_against_honest(leaked, honest)
    assert "random split" in found.first and "held out" in found.second
    row = found.rows[0]
    assert (row.first, row.second, row.low) == (leaked.confusion.accuracy, honest.confusion.accuracy, None)
    for wrong in ((honest, leaked), (leaked, leaked), (leaked, replace(honest, scenes="all"))):
        with pytest.raises(InputError, match="split"):
            optimistic_against_honest(*wrong)


def test_classes_for_objects_are_checked_before_work(tmp_path):
    with pytest.raises(SettingsError, match="'Roof'"):
        run(tmp_path, make_dataset(tmp_path), polygons=["Roof"])


def test_names_in_the_tables_are_no_formulas_and_numbers_stay_numbers(tmp_path):
    file = write_csv(
        tmp_path / "a.csv", [{"=name": "=1+1", "+iou": -0.5, "@n": -3, "low": None}, {"=name": "Road", "+iou": 1.0, "@n": 4, "low": 0.1}]
    )
    assert file.read_text().splitlines() == ["'=name,'+iou,'@n,low", "'=1+1,-0.5,-3,", "Road,1,4,0.1"]
