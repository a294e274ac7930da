"""Blending against hand-worked cases and a plain in-memory reference."""

from dataclasses import replace

import numpy as np
import pytest

from core.errors import Cancelled, ModelError, SettingsError
from core.prediction.blend.blending import Tally, blend
from core.prediction.blend.plans import plan_blend
from tests.helpers.blended import reference

SHAPES = [(33, 20), (70, 91), (1, 300), (257, 511), (300, 1), (1, 1)]


def run(image, network, *, classes, valid=None, done=(0, 0), batch_size=3, should_stop=None, **settings):
    plan = plan_blend(*image.shape[:2], **settings)
    out = np.full((*image.shape[:2], classes), np.nan, np.float32)

    def write(window, values):
        out[window.slices] = values

    result = blend(
        plan,
        lambda w: image[w.slices],
        network,
        write,
        classes=classes,
        valid=None if valid is None else lambda w: valid[w.slices],
        batch_size=batch_size,
        done=done,
        should_stop=should_stop,
    )
    return out, result, plan


def rotten(patches):
    """A network whose answer depends on the place in the patch, as a real one's does near the rim."""
    down, across = (np.linspace(0, 1, length, dtype=np.float32) for length in patches.shape[1:3])
    grid = down[:, None] * 0.7 + across[None, :] ** 2
    first = patches[..., 0].astype(np.float32) / 255 + 0.3 * grid
    return np.stack([first, 1 - first], axis=-1)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("overlap", [0.0, 0.3, 0.5, 0.9])
def test_a_constant_network_gives_a_constant_map(shape, overlap):
    image = np.zeros((*shape, 1), np.uint8)
    out, _, plan = run(image, lambda p: np.full((*p.shape[:3], 2), [0.25, 0.75], np.float32), classes=2, patch_size=32, overlap=overlap)
    np.testing.assert_allclose(out, np.broadcast_to([0.25, 0.75], out.shape), atol=1e-6)
    rows, cols = plan.weight_sums()
    assert rows.min() > 0 and cols.min() > 0


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("symmetries", [1, 8])
def test_a_network_that_returns_its_input_gives_the_input_back(shape, symmetries):
    image = np.random.default_rng(1).random((*shape, 3)).astype(np.float32)
    out, _, _ = run(image, lambda p: p, classes=3, patch_size=32, symmetries=symmetries)
    np.testing.assert_allclose(out, image, atol=1e-5)


@pytest.mark.parametrize("symmetries", [1, 8])
@pytest.mark.parametrize(("shape", "overlap"), [((70, 91), 0.5), ((33, 20), 0.5), ((1, 100), 0.25), ((90, 60), 0.7)])
@pytest.mark.parametrize("patch_size", [32, (24, 40), (40, 16)])
def test_equals_the_plain_reference(shape, overlap, symmetries, patch_size):
    image = np.random.default_rng(2).integers(0, 256, (*shape, 3), dtype=np.uint8)
    out, _, plan = run(image, rotten, classes=2, patch_size=patch_size, overlap=overlap, symmetries=symmetries)
    np.testing.assert_allclose(out, reference(image, rotten, plan), atol=1e-5)


@pytest.mark.parametrize("scale", [1.0, 0.5, 0.37, 1.6])
@pytest.mark.parametrize("patch_size", [16, (24, 16), (10, 14)])
def test_strips_equal_the_whole(scale, patch_size):
    image = np.random.default_rng(3).integers(0, 256, (75, 201, 2), dtype=np.uint8)
    settings = dict(classes=2, patch_size=patch_size, overlap=0.5, scale=scale)
    whole, _, plan = run(image, rotten, **settings)
    parts, _, strips = run(image, rotten, strip_width=40, **settings)
    assert len(plan.strips) == 1 and len(strips.strips) >= 3
    np.testing.assert_array_equal(parts, whole)


@pytest.mark.parametrize("scale", [0.5, 0.37, 1.6, 0.01])
@pytest.mark.parametrize("shape", [(70, 91), (1, 300), (33, 20)])
def test_a_scaled_constant_survives_on_the_scenes_grid(shape, scale):
    image = np.full((*shape, 2), 0.5, np.float32)
    out, _, _ = run(image, lambda p: p, classes=2, patch_size=16, scale=scale)
    np.testing.assert_allclose(out, 0.5, atol=1e-6)


def test_a_scaled_gradient_stays_where_it_was():
    # Halved by averaging and doubled bilinearly, a straight ramp is itself again except for half a pixel at each end.
    ramp = np.broadcast_to(np.arange(120, dtype=np.float32)[None, :, None], (64, 120, 1))
    out, _, _ = run(ramp, lambda p: p, classes=1, patch_size=16, scale=0.5)
    np.testing.assert_allclose(out[:, 1:-1], ramp[:, 1:-1], atol=1e-3)
    out, _, _ = run(ramp.transpose(1, 0, 2), lambda p: p, classes=1, patch_size=16, scale=0.5, strip_width=24)
    np.testing.assert_allclose(out[1:-1], ramp.transpose(1, 0, 2)[1:-1], atol=1e-3)


@pytest.mark.parametrize("scale", [1.0, 0.5, 1.6])
def test_gaps_do_not_reach_valid_pixels(scale):
    image = np.full((90, 120, 1), 0.5, np.float32)
    valid = np.ones((90, 120), bool)
    valid[20:, 40:] = False
    valid[60, 100] = True
    image[~valid] = np.nan
    out, result, plan = run(image, lambda p: np.ones_like(p) * np.isfinite(p), classes=1, valid=valid, patch_size=16, scale=scale)
    np.testing.assert_allclose(out[valid], 1, atol=1e-5)
    assert result.windows < plan.windows


@pytest.mark.parametrize("scale", [1.0, 0.6])
@pytest.mark.parametrize("done", [(0, 37), (1, 0), (1, 70)])
@pytest.mark.parametrize("patch_size", [16, (16, 12)])
def test_a_resumed_run_writes_the_same_rest(done, scale, patch_size):
    image = np.random.default_rng(4).integers(0, 256, (75, 130, 1), dtype=np.uint8)
    settings = dict(classes=2, patch_size=patch_size, scale=scale, strip_width=40)
    whole, _, plan = run(image, rotten, **settings)
    rest, _, _ = run(image, rotten, done=done, **settings)
    strip = plan.strips[done[0]]
    missing = np.isnan(rest[..., 0])
    expected = np.zeros_like(missing)
    expected[:, : strip.col] = True
    expected[: done[1], strip.col : strip.col_stop] = True
    np.testing.assert_array_equal(missing, expected)
    np.testing.assert_array_equal(rest[~missing], whole[~missing])


@pytest.mark.parametrize("scale", [1.0, 0.6])
def test_a_run_that_goes_on_tells_of_the_runs_before_it(scale):
    # The upper half has visible borders, the lower half is plain: the last run alone would tell of none.
    image = np.random.default_rng(5).integers(0, 256, (300, 140, 1), dtype=np.uint8)
    settings = dict(patch_size=32, overlap=0.0, scale=scale, strip_width=96)
    plan = plan_blend(300, 140, **settings)

    def network(patches):
        return rotten(patches) + np.random.default_rng(patches.shape[0]).random(patches.shape[:3])[..., None].astype(np.float32) / 9

    def blended(after=None, **asked):
        written = []

        def write(window, _):
            written.append((next(k for k, strip in enumerate(plan.strips) if strip.col == window.col), window.row_stop, replace(tally)))
            if len(written) == after:
                raise KeyboardInterrupt

        tally = asked.pop("tally", Tally())
        try:
            return blend(plan, lambda w: image[w.slices], network, write, classes=2, tally=tally, **asked)
        except KeyboardInterrupt:
            return written[-1]

    whole, (strip, row, tally) = blended(), blended(after=4)
    alone, together = blended(done=(strip, row)), blended(done=(strip, row), tally=replace(tally))
    band = len(plan.strips[0].col_starts)
    assert alone.windows < whole.windows <= together.windows <= whole.windows + 2 * band
    assert together.seam_score == pytest.approx(whole.seam_score, rel=0.03)
    assert together.model_seconds > tally.model_seconds > 0


def test_the_seam_score_tells_seams_from_none():
    # Without overlap the place in the patch shows as a step at every border; with overlap it is smoothed away.
    image = np.random.default_rng(5).integers(0, 256, (200, 200, 1), dtype=np.uint8)
    image = np.broadcast_to(image.mean(axis=0, keepdims=True).astype(np.uint8), (200, 200, 1))
    visible = run(image, rotten, classes=2, patch_size=32, overlap=0.0)[1].seam_score
    hidden = run(image, rotten, classes=2, patch_size=32, overlap=0.5)[1].seam_score
    assert visible > 5
    assert 0.7 < hidden < 1.4


def test_refuses_what_makes_no_sense():
    for wrong in (
        dict(patch_size=4),
        dict(patch_size=(64, 4)),
        dict(patch_size=32, overlap=1.0),
        dict(patch_size=32, symmetries=4),
        dict(patch_size=32, scale=0),
    ):
        with pytest.raises(SettingsError):
            plan_blend(100, 100, **wrong)
    with pytest.raises(ModelError, match="answers"):
        run(np.zeros((40, 40, 1), np.uint8), lambda p: np.zeros((*p.shape[:3], 7), np.float32), classes=2, patch_size=32)


def test_stops_when_asked():
    with pytest.raises(Cancelled):
        run(np.zeros((40, 40, 1), np.uint8), rotten, classes=2, patch_size=32, should_stop=lambda: True)
