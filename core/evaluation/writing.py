"""An evaluation's folder: JSON for programs, CSV for tables, one HTML report for people."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from core.evaluation.intervals import PER_CLASS
from core.evaluation.report import report_html
from core.evaluation.result import EVALUATION_FILE, REPORT_FILE, Evaluation
from core.files import replacing, write_json
from core.plain import in_table


def write_all(evaluation: Evaluation, folder: Path) -> None:
    """Write JSON, tables and report into a folder that holds the pictures already."""
    write_json(folder / EVALUATION_FILE, evaluation.to_dict())
    for name, rows in tables(evaluation).items():
        write_csv(folder / f"{name}.csv", rows)
    write_report(evaluation, folder / REPORT_FILE)


def write_report(evaluation: Evaluation, path: str | os.PathLike) -> Path:
    """Write the report as one HTML file that needs no network and no other file."""
    path = Path(path)
    with replacing(path) as temporary:
        temporary.write_text(report_html(evaluation), encoding="utf-8")
    return path


def tables(evaluation: Evaluation) -> dict[str, list[dict[str, Any]]]:
    """The tables by name, rows of plain values: scores, classes, scenes, confusion, patches, label_errors, thresholds, areas."""
    return {
        "scores": list(_scores(evaluation)),
        "classes": list(_classes(evaluation)),
        "scenes": list(_scenes(evaluation)),
        "confusion": list(_confusion(evaluation)),
        "patches": [{**asdict(patch), "error_fraction": patch.error_fraction} for patch in evaluation.patches],
        "label_errors": [asdict(error) for error in evaluation.label_errors],
        "thresholds": list(_thresholds(evaluation)),
        "areas": list(_areas(evaluation)),
    }


def write_csv(path: Path, rows: Sequence[dict[str, Any]]) -> Path:
    """Write rows with the same keys as CSV; unknown values stay empty, and no text is a formula."""
    with replacing(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow([in_table(key) for key in rows[0]] if rows else [])
        writer.writerows([_cell(value) for value in row.values()] for row in rows)
    return path


def _cell(value: Any) -> Any:
    if isinstance(value, (float, np.floating)):
        return "" if np.isnan(value) else f"{value:.6g}"
    return "" if value is None else in_table(value)


def _scores(evaluation: Evaluation) -> Iterator[dict[str, Any]]:
    whole, ignored = evaluation.confusion, evaluation.with_ignored
    for key in ("accuracy", "mean_iou", "micro_iou", "mean_f1", "kappa"):
        yield {
            "score": key,
            "value": getattr(whole, key),
            **_ends(evaluation.intervals.of(key)),
            "with_unlabelled_as_class": getattr(ignored, key),
        }
    yield {"score": "mean_iou_over_groups", "value": evaluation.mean_iou_over_groups, **_ends(None), "with_unlabelled_as_class": None}
    yield {"score": "ece", "value": evaluation.reliability.ece, **_ends(None), "with_unlabelled_as_class": None}


def _classes(evaluation: Evaluation) -> Iterator[dict[str, Any]]:
    one = evaluation.confusion
    for number, name in enumerate(evaluation.scheme.names):
        row: dict[str, Any] = {"class": name, "present": bool(one.present[number]), "pixels": int(one.counts[number].sum())}
        for key in PER_CLASS:
            row |= {key: float(getattr(one, key)[number]), **_ends(evaluation.intervals.of(key, number), f"{key}_")}
        row |= {"kappa": float(one.class_kappa[number]), "boundary_iou": float(evaluation.boundary_iou[number])}
        polygons = evaluation.polygons.get(name)
        yield {**row, "polygon_f1": None if polygons is None else polygons.f1}


def _scenes(evaluation: Evaluation) -> Iterator[dict[str, Any]]:
    for result in evaluation.results:
        one = result.confusion
        row: dict[str, Any] = {"scene": result.name, "group": result.group, "pixels": one.pixels, "ignored_pixels": one.ignored_pixels}
        row |= {key: getattr(one, key) for key in ("accuracy", "mean_iou", "micro_iou", "mean_f1", "kappa")}
        yield {**row, **{f"iou_{name}": float(value) for name, value in zip(evaluation.scheme.names, one.iou, strict=True)}}


def _confusion(evaluation: Evaluation) -> Iterator[dict[str, Any]]:
    names = evaluation.scheme.names
    for name, counts in zip(names, evaluation.confusion.counts, strict=True):
        yield {"truth": name, **dict(zip(names, counts.tolist(), strict=True))}
    yield {"truth": "not labelled", **dict(zip(names, sum(one.unlabelled for one in evaluation.results).tolist(), strict=True))}


def _thresholds(evaluation: Evaluation) -> Iterator[dict[str, Any]]:
    for name in evaluation.scheme.names:
        curve = evaluation.thresholds(name)
        for place in range(0, 256):
            values = {key: float(getattr(curve, key)[place]) for key in ("threshold", "precision", "recall", "f1", "coverage")}
            yield {"class": name, **values}


def _areas(evaluation: Evaluation) -> Iterable[dict[str, Any]]:
    areas = evaluation.summary()["areas"]
    return [{"class": name, "unit": areas["unit"], **values} for name, values in areas.get("classes", {}).items()]


def _ends(ends: tuple[float, float] | None, prefix: str = "") -> dict[str, float | None]:
    low, high = (None, None) if ends is None else ends
    return {f"{prefix}low": low, f"{prefix}high": high}
