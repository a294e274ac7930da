"""What a verb says when it is done, for people; scripts take `--json`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

_SHOWN_FINDINGS = 20


def summarise(verb: str, answer: Mapping[str, Any]) -> str:
    """A few lines about an answer of `core.jobs.kinds.run`."""
    return "\n".join(_SUMMARIES[verb](answer))


def _audit(answer: Mapping[str, Any]) -> Iterable[str]:
    yield f"{answer['pairs']} pairs, {_count(answer['unpaired'])} files without a partner"
    yield ""
    yield from _table(("class", "share"), [(name, _percent(share)) for name, share in answer["classes"].items()])
    for mosaic in answer["mosaics"]:
        yield f"{mosaic['group']}: neighbouring images, {mosaic['rows']} rows x {mosaic['columns']} columns"
    findings = answer.get("findings") or []
    if findings:
        yield ""
    for finding in findings[:_SHOWN_FINDINGS]:
        yield f"{finding['severity']}: {finding['sentence']}"
    if len(findings) > _SHOWN_FINDINGS:
        yield f"... and {len(findings) - _SHOWN_FINDINGS} more (--json has them all)"


def _prepare(answer: Mapping[str, Any]) -> Iterable[str]:
    yield from _table(("part", "patches"), list(answer["patches"].items()))
    yield f"{answer['dropped']} patches dropped, {answer['shared_pixels']} pixels shared between parts"
    for remark in (*answer.get("warnings", ()), *answer.get("notes", ())):
        yield str(remark)
    yield f"Written to {answer['folder']}"


def _train(answer: Mapping[str, Any]) -> Iterable[str]:
    yield f"{answer['epochs']} epochs, the best one is number {answer['best_epoch']}"
    scores = answer["validation"] or {}
    yield f"Validation: mean IoU {_score(scores.get('mean_iou'))}, accuracy {_score(scores.get('accuracy'))}"
    yield f"Model in {answer['folder']}"


def _probe(answer: Mapping[str, Any]) -> Iterable[str]:
    one = answer["epoch_s"]
    yield f"{answer['parameters']:,} parameters on {answer['device']}, batches of {answer['batch_size']}"
    if one is None:
        yield "A batch of this size does not fit into memory"
    else:
        yield f"An epoch takes about {one:.1f} s (training {answer['train_s']:.1f}, validation {answer['validation_s']:.1f})"
        yield f"All epochs take at most {answer['total_s'] / 60:.1f} min, and {answer['start_s']:.0f} s to start"
        yield f"Memory {answer['peak_memory_mib']:.0f} MiB, disk {answer['disk_mib']:.0f} MiB"
    rows = [(each["batch_size"], _score(each["patches_per_s"]), _whole(each["peak_memory_mib"])) for each in answer["sizes"]]
    yield from _table(("batch size", "patches/s", "memory (MiB)"), rows)
    yield f"Proposed batch size: {answer['proposed_batch_size']}"


def _rate_test(answer: Mapping[str, Any]) -> Iterable[str]:
    suggested = answer["suggested"]
    yield f"{len(answer['rates'])} steps from {answer['rates'][0]:.2g} to {answer['rates'][-1]:.2g}"
    yield "The loss never fell: try other settings" if suggested is None else f"Suggested learning rate: {suggested:.2g}"


def _search(answer: Mapping[str, Any]) -> Iterable[str]:
    rows = [
        (f"{trial['learning_rate']:g}", trial["batch_size"], trial["epochs"], _score(trial["score"]), trial["state"])
        for trial in answer["trials"]
    ]
    yield from _table(("learning rate", "batch size", "epochs", answer["monitor"], "state"), rows)
    best = answer["best"]
    yield f"Best: learning rate {best['learning_rate']:g}, batch size {best['batch_size']}" if best else "No trial came to a score"


def _evaluate(answer: Mapping[str, Any]) -> Iterable[str]:
    yield f"{answer['pixels']:,} pixels scored, {answer['ignored_pixels']:,} without label left out"
    yield f"accuracy {_score(answer['accuracy'])}   mean IoU {_score(answer['mean_iou'])}   micro IoU {_score(answer['micro_iou'])}"
    interval = answer["intervals"].get("mean_iou")
    ends = f"mean IoU {_score(interval[0])} to {_score(interval[1])}. " if interval else ""
    yield f"{ends}{answer['intervals']['text']}"
    yield ""
    keys = {"iou": "IoU", "precision": "precision", "recall": "recall", "f1": "F1", "boundary_iou": "boundary IoU"}
    rows = [(name, *(_score(scores[key]) for key in keys)) for name, scores in answer["classes"].items()]
    yield from _table(("class", *keys.values()), rows)
    for name, scores in answer["classes"].items():
        if "polygons" in scores:
            one = scores["polygons"]
            found = f"{one['matched']} of {one['truth']} found, {one['predicted']} predicted"
            yield f"{name} as objects at IoU 0.5: F1 {_score(one['f1'])} ({found})"
    calibration = answer["calibration"]
    yield f"calibration error {_score(calibration['ece'])}, fitting temperature {_score(calibration.get('temperature'))}"
    yield from answer.get("notes", ())
    if answer["stored_temperature"]:
        yield f"Temperature {answer['stored_temperature']:.4f} is in the model's card now"
    yield from (f"Written to {answer[key]}" for key in ("folder", "report") if answer[key])


def _compare(answer: Mapping[str, Any]) -> Iterable[str]:
    yield f"{answer['second']} against {answer['first']}, {answer['scenes']} scenes"
    yield answer["text"]
    rows = [
        (row["class"] or row["score"], _score(row["first"]), _score(row["second"]), _signed(row["difference"]), _between(row))
        for row in answer["rows"]
    ]
    yield from _table(("score", "first", "second", "difference", "95 % interval"), rows)
    yield from answer["notes"]
    if answer["folder"]:
        yield f"Written to {answer['folder']}"


def _predict(answer: Mapping[str, Any]) -> Iterable[str]:
    yield (
        f"{answer['windows']} windows in {answer['seconds']:.1f} s ({answer['model_seconds']:.1f} s in the network), "
        f"at most {answer['peak_memory_mib']:.0f} MiB"
    )
    for warning in answer.get("warnings", ()):
        yield f"Note: {warning['sentence']}"
    yield f"Written to {answer['folder']}"


def _predict_batch(answer: Mapping[str, Any]) -> Iterable[str]:
    yield from _table(
        ("scene", "result", "seconds"),
        [
            (Path(row["scene"]).name, row["error"] or row["state"], "-" if row["seconds"] is None else f"{row['seconds']:.1f}")
            for row in answer["results"]
        ],
    )
    yield f"{answer['scenes'] - answer['failed']} of {answer['scenes']} scenes predicted, in {answer['folder']}"


def _estimate(answer: Mapping[str, Any]) -> Iterable[str]:
    yield (
        f"About {answer['seconds']:.0f} s for {answer['windows']} windows ({answer['engine']}), "
        f"{answer['peak_memory_mib']:.0f} MiB of memory, "
        f"{answer['disk_mib']:.0f} MiB of disk while it runs, {answer['result_mib']:.0f} MiB in the end"
    )
    for warning in answer["warnings"]:
        yield f"Note: {warning['sentence']}"


def _quantise(answer: Mapping[str, Any]) -> Iterable[str]:
    yield f"{answer['agreement']:.2%} of labels are those of the model, over {answer['measured']} patches that it was not made with"
    if answer["mean_iou"] is not None:
        yield f"Mean IoU {_score(answer['mean_iou'])}, of the model {_score(answer['mean_iou_float'])}"
    yield f"{answer['megabytes']:.1f} MB in {answer['folder']}"


def _vectorize(answer: Mapping[str, Any]) -> Iterable[str]:
    unit = "m2" if answer["units"] == "m" else "px"
    yield f"{answer['polygons']} polygons in {answer['seconds']:.1f} s, coordinates: {answer['crs'] or 'pixels'}"
    rows = [(name, values["polygons"], _area(values)) for name, values in answer["classes"].items()]
    yield from _table(("class", "polygons", f"area ({unit})"), rows)
    faults = [f"{answer[key]:g} {text}" for key, text in _FAULTS.items() if answer[key]]
    if faults:
        yield "Faults: " + ", ".join(faults)
    yield from _files(answer["files"])


def _models(answer: Mapping[str, Any]) -> Iterable[str]:
    if not answer["models"]:
        yield "No models yet. Train one: python -m core train --help"
        return
    rows = [
        (model["name"], model["architecture"], len(model["classes"]), len(model["bands"]), _score(model["mean_iou"]), model["folder"])
        for model in answer["models"]
    ]
    yield from _table(("model", "network", "classes", "bands", "mean IoU", "folder"), rows)


def _import_model(answer: Mapping[str, Any]) -> Iterable[str]:
    yield from (f"Assumed, since nobody said otherwise: {sentence}" for sentence in answer["assumed"])
    yield f"Model in {answer['folder']}; the new file gives what the old one gave"


def _export_model(answer: Mapping[str, Any]) -> Iterable[str]:
    yield f"{answer['format']}, {answer['size_bytes'] / 1e6:.1f} MB; read again, probabilities differ by at most {answer['difference']:.1g}"
    yield f"Written to {answer['path']}, with its card"


def _demo(answer: Mapping[str, Any]) -> Iterable[str]:
    yield f"{answer['scene']} with {answer['model']}:"
    yield from _table(("step", "seconds"), [(step, f"{seconds:.1f}") for step, seconds in answer["timings"].items()])
    yield f"{answer['vectorize']['polygons']} polygons"
    if answer["evaluate"]:
        scores = answer["evaluate"]
        yield f"Against the mask: accuracy {_score(scores['accuracy'])}, mean IoU {_score(scores['mean_iou'])}"
    yield from _files(answer["files"])
    yield f"All in {answer['folder']}, {answer['seconds']:.1f} s"


_FAULTS = {"invalid": "invalid polygons", "gap_area": "area in gaps", "overlap_area": "area in overlaps"}

_SUMMARIES: dict[str, Callable[[Mapping[str, Any]], Iterable[str]]] = {
    "audit": _audit,
    "prepare": _prepare,
    "train": _train,
    "probe": _probe,
    "rate_test": _rate_test,
    "search": _search,
    "evaluate": _evaluate,
    "compare": _compare,
    "predict": _predict,
    "predict-batch": _predict_batch,
    "estimate": _estimate,
    "quantise": _quantise,
    "vectorize": _vectorize,
    "models": _models,
    "import-model": _import_model,
    "export-model": _export_model,
    "demo": _demo,
}


def _files(files: Sequence[Mapping[str, Any]]) -> Iterable[str]:
    for file in files:
        yield file["path"] if file["features"] is None else f"{file['path']}: {file['features']} features"


def _table(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> Iterable[str]:
    lines = [[str(cell) for cell in row] for row in (head, *rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    for line in lines:
        first = line[0].ljust(widths[0])
        yield "  ".join([first, *(cell.rjust(width) for cell, width in zip(line[1:], widths[1:], strict=True))]).rstrip()


def _area(values: Mapping[str, Any]) -> str:
    area = values.get("area_m2") if values.get("area_m2") is not None else values.get("area_px")
    return "-" if area is None else f"{area:,.1f}"


def _count(value: Any) -> int:
    return value if isinstance(value, int) else len(value)


def _signed(value: float | None) -> str:
    return "-" if value is None or value != value else f"{value:+.4f}"


def _between(row: Mapping[str, Any]) -> str:
    return "-" if row["low"] is None else f"{_signed(row['low'])} to {_signed(row['high'])}"


def _percent(share: float) -> str:
    return f"{100 * share:.2f} %"


def _whole(value: float | None) -> str:
    return "-" if value is None or value == float("inf") else f"{value:.0f}"


def _score(value: float | None) -> str:
    return "-" if value is None or value != value else f"{value:.4f}"
