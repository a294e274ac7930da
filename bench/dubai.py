"""Compare our recipes with the tutorials' U-Net in one harness, on tiles that a network has not seen and on random patches.

    python bench/dubai.py lite|control [--folds 1+2,4+5,6+7,all] [--seeds 0,1,2] [--epochs 16] [--ship] [--dubai FOLDER] [--out FOLDER]
    python bench/dubai.py ours|tutorial [--folds 1+2,4+5,6+7,random] [--dubai FOLDER] [--out FOLDER]
    python bench/dubai.py long|imagenet [--out FOLDER]
    python bench/dubai.py table [--out FOLDER]

lite       the recipe of `dubai-landcover`: a U-Net on EfficientNet-Lite0 from ImageNet, each tile as one picture, patches at three
           scales, every second one drawn by rare classes, averaged weights; scored with three scales averaged, also
           in int8, and, as `dubai-landcover-fast`, in int8 at the coarsest scale alone
control    the same recipe from random weights, to see what ImageNet gives
ours       what came before: a U-Net from the weights of sample-town, relit and rescaled patches, averaged weights, at a third of
           the tiles' pixels
tutorial   the tutorials' U-Net (16 to 256 filters) on the same patches, with as many steps: random weights, no augmentation,
           dice plus focal loss, Adam at a constant rate
long       ours at half of the pixels with ten times the work, on random patches only
imagenet   the recipe of `lite` on the same random patches at one scale, with 1,200 steps of 16 patches
folds      two tiles that are never seen (1+2, 4+5, 6+7), a random fifth of all patches as in the tutorials, or all six tiles
           trained on and nothing scored, for the model that ships

The loss of the training patches chooses the epoch: no score of a held-out tile is looked at. Runs that are done are kept in
--out, and what those of `lite` scored in dubai_scores.json beside this file. --ship leaves the two models of all six tiles in
--out, with the scores of the folds in their cards. Cap the threads from outside (`taskset`, `OMP_NUM_THREADS`).
"""

from __future__ import annotations

import argparse
import shutil
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import rasterio
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from bench.train_models import FAILURES, TUTORIAL, core, draw_failures  # noqa: E402
from core.datasets.datasets import open_dataset  # noqa: E402
from core.evaluation.result import MAPS, Evaluation  # noqa: E402
from core.files import read_json, write_json  # noqa: E402
from core.model_store.cards import LIKE_NETWORKS, WEIGHTS_FILE, ModelCard  # noqa: E402
from core.patches.joined import open_patches  # noqa: E402
from core.scenes.resampling import resize_image, resize_labels, scaled_length, taps  # noqa: E402
from core.training.checkpoints import SETTINGS_FILE  # noqa: E402
from core.training.settings import TrainSettings  # noqa: E402
from core.workspace import default_workspace  # noqa: E402

FINE_TILE = "Tile 7"
"""Pixel sizes are not known; houses and lanes of this tile are about twice as many pixels wide as those of the others."""
FOLDS = {"1+2": ("Tile 1", "Tile 2"), "4+5": ("Tile 4", "Tile 5"), "6+7": ("Tile 6", "Tile 7"), "random": (), "all": ()}
HELD_OUT = ("1+2", "4+5", "6+7")


@dataclass(frozen=True)
class Recipe:
    """How patches are cut and a network is trained on them; `random_px` and `at_random` take over on random patches."""

    train: list[str]
    at_random: list[str]
    scale: str = "0.3333"
    patch_px: int = 128
    random_px: int = 96
    symmetries: str = "1"
    folds: tuple[str, ...] = (*HELD_OUT, "random")


COMMON = ["--architecture", "unet", "--patience", "0", "--seed", "0", "--steps-per-epoch", "40", "--monitor", "loss", "--optimizer", "adam"]
SHORT = ["--batch-size", "8", "--epochs", "16"]
OURS = [
    "--weights",
    "sample-town",
    "--learning-rate",
    "0.002",
    "--loss",
    "dice_cross_entropy",
    "--schedule",
    "cosine",
    "--warmup-epochs",
    "1",
    "--average-weights",
    "0.98",
    "--augmentation",
    "zoom=0.5",
    *SHORT,
]
MILD = "zoom=0.3,brightness=0.15,contrast=0.1,band_gain=0.05,noise=0.02"
LITE = [
    *("--architecture", "unet", "--encoder", "efficientnet-lite0", "--weights", "imagenet", "--freeze", "early", "--encoder-rate", "0.2"),
    *("--optimizer", "adamw", "--learning-rate", "0.002", "--weight-decay", "0.01", "--clip-norm", "5"),
    *("--schedule", "cosine", "--warmup-epochs", "1", "--loss", "dice_cross_entropy", "--sampling", "half", "--average-weights", "0.985"),
    *("--batch-size", "8", "--steps-per-epoch", "50", "--patience", "0", "--monitor", "loss"),
    *("--augmentation", "zoom=0.2,shift=0,brightness=0.1,contrast=0.06,band_gain=0.03,noise=0.015"),
]
"""One sensor took all tiles, and its colours tell vegetation from land: strong changes of colour cost 0.03 of mean IoU."""
RANDOM_START = ("--weights", "none", "--freeze", "nothing", "--encoder-rate", "1")
"""What takes over in the control of `lite`: everything learns from random weights, at one rate."""
LITE_SCALES = {"0.55": 128, "0.4": 96, "0.75": 176}
"""Scale and stride in pixels of the patches; scenes are predicted at the first."""
LITE_SEEN_AT = "0.73,1,1.27"
"""The scales that are averaged at prediction, as factors of the first."""
RECIPES = {
    "lite": Recipe([], [], folds=HELD_OUT),
    "control": Recipe([], [], folds=HELD_OUT),
    "ours": Recipe(OURS, ["--batch-size", "14", "--epochs", "28"]),
    "tutorial": Recipe([*TUTORIAL, *SHORT], ["--batch-size", "14"]),
    # 128 pixels at half size show 256 of a scene, as the tutorials' patches do.
    "long": Recipe(
        OURS, ["--batch-size", "16", "--epochs", "90", "--augmentation", MILD], "0.5", random_px=128, symmetries="8", folds=("random",)
    ),
    "imagenet": Recipe(LITE, ["--batch-size", "16", "--epochs", "24"], "0.5", random_px=128, symmetries="8", folds=("random",)),
}
OF_LITE = ("lite", "control")
IN_32_BITS = {"int8": "lite", "fast": "coarse"}
"""What was scored in 8 bits, and the same network in 32."""
LITE_SHIPPED, FAST_SHIPPED = "dubai-landcover", "dubai-landcover-fast"
FAST_SCALE = 0.4
"""What the fast model sees scenes at: the coarsest that its network was trained at."""
RECORD = Path(__file__).with_name("dubai_scores.json")
_MEANS = ("mean_iou", "mean_iou_over_tiles", "accuracy", "calibration_error_after_temperature")
LITE_NOTES = (
    "Trained on all six tiles of the Dubai set (CC0, Humans in the Loop and MBRSC), so no tile is left to score it on: the scores are "
    "those of networks made in the same way that had not seen the tiles they are scored on.",
    "Started from the ImageNet weights of EfficientNet-Lite0 (Google, Apache 2.0).",
    "Vegetation on Tiles 1 and 2 and roads are its weak classes: the tiles were labelled by different rules, gardens here as vegetation "
    "and there as building and land.",
)
ACCURATE_NOTES = (
    f"Predict with three scales ({LITE_SEEN_AT}), as it was scored; one scale is three times as quick and a little worse.",
    FAILURES[0],
    "The picture shows the patches of Tiles 1 and 2 with the most wrong pixels, by a like network that had not seen them: image, label, "
    "prediction, errors.",
)
FAST_NOTES = (f"The network of `{LITE_SHIPPED}` at {FAST_SCALE} of the tiles' pixels instead of {next(iter(LITE_SCALES))}, in int8.",)


def stitched(source: Path, target: Path) -> Path:
    """Each tile as one picture of its 3 x 3 parts, which continue each other; lines that a part is longer by are cut."""
    if (target / "classes.json").exists():
        return target
    dataset = open_dataset(source)
    parts: dict[str, dict[str, tuple[np.ndarray, np.ndarray]]] = {}
    for pair in dataset.pairs:
        read = pair.image.read(pair.image.window), dataset.scheme.decode(pair.labels(dataset.scheme, pair.image.window))
        parts.setdefault(pair.group, {})[pair.name] = read
    for tile, named in parts.items():
        cells = [named[name] for name in sorted(named)]
        for number, kind in enumerate(("images", "masks")):
            rows = [[cell[number] for cell in cells[at : at + 3]] for at in (0, 3, 6)]
            heights = [min(len(cell) for cell in row) for row in rows]
            rows = [np.concatenate([cell[:height] for cell in row], 1) for row, height in zip(rows, heights, strict=True)]
            width = min(row.shape[1] for row in rows)
            (target / tile / kind).mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.concatenate([row[:, :width] for row in rows])).save(target / tile / kind / "mosaic.png")
    write_json(target / "classes.json", dataset.scheme.to_dict())
    return target


def run_lite(kind: str, fold: str, seed: int, *, epochs: int, dubai: Path, out: Path) -> None:
    """As `run`, for the recipe of `dubai-landcover`, "lite", or its "control", and one seed; the fold "all" is trained and not scored."""
    model = out / f"{kind}-{fold}-{seed}"
    known = model.with_name(f"{model.name}-scores")
    parts = equalised(dubai, out / "tiles")
    mosaics = stitched(parts, out / "mosaics")
    stores = [out / f"patches-lite-{scale}-{fold}" for scale in LITE_SCALES]
    held_out = [word for tile in FOLDS[fold] for word in ("--hold-out", tile)] or ["--test", "0"]
    for store, (scale, stride) in zip(stores, LITE_SCALES.items(), strict=True):
        if not (store / "store.json").exists():
            grid = ["--scale", scale, "--patch-size", "256", "--stride", str(stride), "--validation", "0", "--seed", "0"]
            core("prepare", str(mosaics), str(store), *grid, *held_out)
    if not _finished(model):
        also = [word for store in stores[1:] for word in ("--also", str(store))]
        going_on = ["--resume"] if (model / "last.npz").exists() else []
        core(
            "train",
            str(stores[0]),
            str(model),
            *also,
            *LITE,
            *(RANDOM_START if kind == "control" else ()),
            "--epochs",
            str(epochs),
            "--seed",
            str(seed),
            *going_on,
        )
    if fold == "all":
        return
    evaluated(model, parts, known, scales=LITE_SEEN_AT)
    if kind == "lite":
        seen = next(tile for tile in sorted(path.name for path in mosaics.iterdir() if path.is_dir()) if tile not in FOLDS[fold])
        scene = mosaics / seen / "images" / "mosaic.png"
        same = in_int8(model, out / f"int8-{fold}-{seed}", calibrated_on=scene)
        evaluated(same, parts, out / f"int8-{fold}-{seed}-scores", scales=LITE_SEEN_AT, engine="fast")
        quick = in_int8(model, out / f"fast-{fold}-{seed}", calibrated_on=scene, scale=FAST_SCALE)
        evaluated(quick, parts, out / f"fast-{fold}-{seed}-scores", engine="fast")
        evaluated(quick, parts, out / f"coarse-{fold}-{seed}-scores")


def evaluated(model: Path, data: Path, known: Path, *, scales: str = "1", engine: str = "auto") -> None:
    """Score a model on the tiles that it has not seen, where the folder `known` does not hold that yet."""
    if not known.exists():
        core("evaluate", str(model), str(data), "--scenes", "test", "--scales", scales, "--engine", engine, "--out", str(known))


def in_int8(model: Path, folder: Path, *, calibrated_on: Path, scale: float | None = None) -> Path:
    """A copy of a model with an int8 network, that sees scenes at `scale`, its own if None; `calibrated_on` is a scene that it was
    trained on. Gives its folder.
    """
    if folder.exists():
        return folder
    folder.mkdir()
    shutil.copyfile(model / WEIGHTS_FILE, folder / WEIGHTS_FILE)
    card = ModelCard.load(model)
    replace(card, scale=scale or card.scale, metrics={}, temperature=1.0).save(folder)
    core("quantise", str(folder), str(calibrated_on))
    return folder


def ship_lite(out: Path, seed: int) -> None:
    """Put the two models of all six tiles into --out under their names, with the scores of the folds in their cards."""
    folder, quick = out / LITE_SHIPPED, out / FAST_SHIPPED
    folder.mkdir()
    card = last_epoch(out / f"lite-all-{seed}", [out / f"patches-lite-{scale}-all" for scale in LITE_SCALES], folder / WEIGHTS_FILE)
    split = {**card.split, "stores": [f"patches at scale {scale}" for scale in LITE_SCALES]}
    notes = (*(note for note in card.notes if not note.startswith("There was no validation part")), *LITE_NOTES)
    scored = out / f"lite-1+2-{seed}-scores"
    if scored.exists():
        draw_failures(Evaluation.load(scored), folder / "failures.jpg")
    else:
        shutil.copyfile(ROOT / "models" / LITE_SHIPPED / "failures.jpg", folder / "failures.jpg")
    scored_as(replace(card, name=LITE_SHIPPED, split=split), lite_scores(out, "lite")).save(folder)
    scene = out / "mosaics" / FINE_TILE / "images" / "mosaic.png"
    core("quantise", str(folder), str(scene))
    replace(ModelCard.load(folder), notes=(*notes, *ACCURATE_NOTES, told_of_int8(out))).save(folder)
    in_int8(folder, quick, calibrated_on=scene, scale=FAST_SCALE)
    seen_at = [note.replace(f"predicted at {next(iter(LITE_SCALES))}", f"predicted at {FAST_SCALE}") for note in split["notes"]]
    named = replace(ModelCard.load(quick), name=FAST_SHIPPED, split={**split, "notes": seen_at}, notes=(*notes, *FAST_NOTES))
    scored_as(named, lite_scores(out, "fast")).save(quick)


def scored_as(card: ModelCard, found: dict[str, list[dict]]) -> ModelCard:
    """The card with what like networks scored on tiles that they had not seen, and the temperature that suits those.

    On its own tiles a network is too sure of itself.
    """
    metrics = {
        f"tiles {fold.replace('+', ' and ')}, {LIKE_NETWORKS}": {
            "seeds": len(ones),
            **{name: float(np.mean([one[name] for one in ones])) for name in _MEANS},
            "spread_of_mean_iou": float(np.std([one["mean_iou"] for one in ones])) if len(ones) > 1 else None,
            "classes": {name: {"iou": float(np.mean([one["classes"][name] for one in ones]))} for name in card.scheme.names},
        }
        for fold, ones in found.items()
    }
    if "int8" in card.metrics:  # how well that network agrees on patches, which `quantise` found
        metrics["int8"] = card.metrics["int8"]
    temperatures = [one["temperature"] for ones in found.values() for one in ones]
    return replace(card, metrics=metrics, temperature=round(float(np.mean(temperatures)), 4) if temperatures else 1.0)


def told_of_int8(out: Path) -> str:
    """What like networks lose in int8 on tiles that they had not seen, seed by seed, as a note of a card."""
    lite_scores(out, "int8")  # brings the record up to date
    record = read_json(RECORD)
    both = [(one, record["lite"][fold][seed]) for fold, ones in record["int8"].items() for seed, one in ones.items()]
    means = [np.mean([pair[k]["mean_iou"] for pair in both]) for k in (0, 1)]
    same = [one["same_labels"] for one, _ in both]
    return (
        f"In int8 (engine fast) like networks gave {100 * min(same):.1f} to {100 * max(same):.1f} % of the pixels of tiles that they had "
        f"not seen the same label, and a mean IoU of {means[0]:.3f} where it was {means[1]:.3f} in 32 bits ({len(both)} networks)."
    )


def last_epoch(model: Path, stores: list[Path], weights: Path) -> ModelCard:
    """Write the averaged weights of a run's last epoch, and give a card that says so.

    Without a validation part a run keeps the epoch with the least training loss, which says little where patches are drawn anew.
    """
    from core.training.run import Run

    run = Run(open_patches(stores[0], stores[1:]), model, TrainSettings.from_dict(read_json(model / SETTINGS_FILE)))
    run.open(resume=True)
    with run.prepared.averaged():
        run.prepared.save(weights)
    run.events.close()
    return replace(run.card, training={**run.card.training, "best_epoch": run.state.epoch, "monitor": "none: the last epoch is kept"})


def lite_scores(out: Path, kind: str) -> dict[str, list[dict]]:
    """What the networks of each fold scored, one for each seed, as "lite", "int8", "fast" or "control": on record, or by an evaluation
    in --out.

    A run takes half an hour and its folder is soon gone, so its scores are kept beside this file; the record is brought up to date here.
    """
    record = read_json(RECORD)
    found = record.setdefault(kind, {})
    for path in sorted(out.glob(f"{kind}-*-scores")):
        _, fold, seed, _ = path.name.split("-")
        one = Evaluation.load(path)
        exact = out / f"{IN_32_BITS[kind]}-{fold}-{seed}-scores" if kind in IN_32_BITS else path
        same = {"same_labels": same_labels(one, Evaluation.load(exact))} if exact != path and exact.exists() else {}
        found.setdefault(fold, {})[seed] = {**_scores(one), **same}
    write_json(RECORD, record)
    return {fold: [found[fold][seed] for seed in sorted(found[fold])] for fold in HELD_OUT if fold in found}


def same_labels(one: Evaluation, other: Evaluation) -> float:
    """The share of all pixels that two evaluations gave the same label."""
    same = total = 0
    for a, b in zip(one.results, other.results, strict=True):
        with rasterio.open(one.folder / MAPS / a.map) as first, rasterio.open(other.folder / MAPS / b.map) as second:
            equal = first.read(1) == second.read(1)
        same, total = same + int(equal.sum()), total + equal.size
    return same / total


def _scores(one: Evaluation) -> dict:
    fit = one.calibration
    return {
        "mean_iou": float(one.confusion.mean_iou),
        "mean_iou_over_tiles": float(one.mean_iou_over_groups),
        "accuracy": float(one.confusion.accuracy),
        "calibration_error_after_temperature": float(fit.after.ece),
        "temperature": float(fit.temperature),
        "classes": {name: float(value) for name, value in zip(one.scheme.names, one.confusion.iou, strict=True)},
        "tiles": {tile: float(each.mean_iou) for tile, each in one.per_group.items()},
    }


def lite_table(out: Path, kind: str) -> list[str]:
    """Markdown: mean over seeds and spread of each fold of "lite", "int8", "fast" or "control", and the mean over the folds."""
    found = lite_scores(out, kind)
    if not found:
        return []
    lines = [f"| `{kind}`, scored on | seeds | mean IoU | mean over tiles | accuracy | Building | Land | Road | Vegetation | Water |"]
    lines.append("|" + "---|" * 10)
    means = []
    for fold, ones in found.items():
        rows = np.array([[one["mean_iou"], one["mean_iou_over_tiles"], one["accuracy"], *one["classes"].values()] for one in ones])
        means.append(rows.mean(0))
        words = [
            f"{value:.3f}" + (f" ± {spread:.3f}" if len(ones) > 1 else "") for value, spread in zip(rows.mean(0), rows.std(0), strict=True)
        ]
        lines.append("| " + " | ".join([f"Tiles {fold.replace('+', ' and ')}", str(len(ones)), *words]) + " |")
    if len(means) > 1:
        lines.append("| " + " | ".join([f"mean of {len(means)} folds", "", *(f"{value:.3f}" for value in np.mean(means, axis=0))]) + " |")
    return [*lines, ""]


def equalised(source: Path, target: Path, *, crop_px: int = 1) -> Path:
    """A copy of the tiles in which the fine one has the others' pixel size, and sides are multiples of `crop_px`."""
    if (target / "classes.json").exists():
        return target
    dataset = open_dataset(source)
    for pair in dataset.pairs:
        image, ids = pair.image.read(pair.image.window), pair.labels(dataset.scheme, pair.image.window)
        if pair.group == FINE_TILE:
            rows, cols = (taps(length, size) for length in ids.shape for size in [scaled_length(length, 0.5)])
            image, ids = resize_image(image, rows, cols), resize_labels(ids, rows, cols)
        height, width = (length // crop_px * crop_px for length in ids.shape)
        stem = Path(pair.name).name
        for kind, picture in (("images", image), ("masks", dataset.scheme.decode(ids))):
            folder = target / pair.group / kind
            folder.mkdir(parents=True, exist_ok=True)
            Image.fromarray(picture[:height, :width]).save(folder / f"{stem}.png")
    write_json(target / "classes.json", dataset.scheme.to_dict())
    return target


def run(name: str, fold: str, *, dubai: Path, out: Path) -> None:
    """Prepare, train and evaluate one recipe on one fold; what is there already is kept."""
    recipe = RECIPES[name]
    known, model = out / f"{name}-{fold}-scores", out / f"{name}-{fold}"
    patches = out / f"patches-{recipe.scale}-{fold}"
    if known.exists():
        return
    if fold == "random":
        # Cut to multiples of a patch, so that random patches share no pixel.
        data = equalised(dubai, out / f"cropped-{recipe.scale}", crop_px=round(recipe.random_px / float(recipe.scale)))
        how = ["--patch-size", str(recipe.random_px), "--stride", str(recipe.random_px), "--split", "random", "--validation", "0.2"]
        scored = ["--scenes", "validation", "--patches", str(patches)]
    else:
        data = equalised(dubai, out / "tiles")
        held_out = [word for tile in FOLDS[fold] for word in ("--hold-out", tile)]
        how = ["--patch-size", str(recipe.patch_px), "--stride", str(recipe.patch_px // 2), "--validation", "0", *held_out]
        scored = ["--scenes", "test"]
    if not (patches / "store.json").exists():
        core("prepare", str(data), str(patches), "--scale", recipe.scale, *how)
    if not _finished(model):
        core("train", str(patches), str(model), *COMMON, *recipe.train, *(recipe.at_random if fold == "random" else ()))
    core("evaluate", str(model), str(data), *scored, "--symmetries", recipe.symmetries, "--out", str(known))


def _finished(model: Path) -> bool:
    return (model / "card.json").exists() and read_json(model / "card.json")["training"].get("state") == "finished"


def table(out: Path) -> list[str]:
    """Markdown: each run's mean IoU, classes and tiles, and each recipe's mean over the held-out folds."""
    lines = ["| recipe | scored on | mean IoU | accuracy | Building | Land | Road | Vegetation | Water | mean IoU by tile |"]
    lines.append("|" + "---|" * 10)
    for recipe in (name for name in RECIPES if name not in OF_LITE):
        known = {fold: Evaluation.load(path) for fold in FOLDS if (path := out / f"{recipe}-{fold}-scores").exists()}
        for fold, one in known.items():
            by_tile = ", ".join(f"{tile.removeprefix('Tile ')}: {each.mean_iou:.2f}" for tile, each in one.per_group.items())
            what = "a random fifth of the patches" if fold == "random" else f"Tiles {fold.replace('+', ' and ')}"
            lines.append(_row(recipe, what, one.confusion.mean_iou, one.confusion.accuracy, one.confusion.iou, by_tile))
        folds = [one.confusion for fold, one in known.items() if fold != "random"]
        if len(folds) > 1:
            means = [np.mean([getattr(each, name) for each in folds]) for name in ("mean_iou", "accuracy")]
            lines.append(_row(recipe, f"mean of {len(folds)} folds", *means, np.mean([each.iou for each in folds], axis=0), ""))
    return lines


def _row(recipe: str, what: str, mean_iou: float, accuracy: float, classes: np.ndarray, by_tile: str) -> str:
    numbers = [f"{mean_iou:.3f}", f"{accuracy:.3f}", *(f"{value:.2f}" for value in classes)]
    return "| " + " | ".join([recipe, what, *numbers, by_tile]) + " |"


def main() -> None:
    """Do the runs that are missing, print the table of all, and score the model that ships if asked to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe", choices=[*RECIPES, "table"])
    parser.add_argument("--folds", help="which of them (default: all of the recipe's)")
    parser.add_argument("--seeds", default="0", help="of lite, with commas")
    parser.add_argument("--epochs", type=int, default=16, help="of lite, 50 steps each")
    parser.add_argument("--ship", action="store_true")
    parser.add_argument("--dubai", type=Path, default=ROOT.parent / "shared" / "data" / "dubai")
    parser.add_argument("--out", type=Path, default=default_workspace().root / "recipes" / "dubai")
    chosen = parser.parse_args()
    if chosen.recipe in RECIPES:
        for fold in chosen.folds.split(",") if chosen.folds else RECIPES[chosen.recipe].folds:
            if chosen.recipe not in OF_LITE:
                run(chosen.recipe, fold, dubai=chosen.dubai, out=chosen.out)
                continue
            for seed in chosen.seeds.split(","):
                run_lite(chosen.recipe, fold, int(seed), epochs=chosen.epochs, dubai=chosen.dubai, out=chosen.out)
    print("\n".join([*(line for kind in ("lite", "int8", "fast", "control") for line in lite_table(chosen.out, kind)), *table(chosen.out)]))
    if chosen.ship:
        ship_lite(chosen.out, int(chosen.seeds.split(",")[0]))


if __name__ == "__main__":
    main()
