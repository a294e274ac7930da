"""The class counts of a data set, read once and kept for charts and patch sliders."""

from __future__ import annotations

from core.datasets.datasets import Dataset
from core.patches.estimates import DatasetCounts, count_classes
from ui.kept import keep


def of(dataset: Dataset) -> DatasetCounts:
    """The class counts of a data set, shown with their progress while the masks are read."""
    return keep("counts", dataset.digest, lambda tell: count_classes(dataset, on_progress=tell), words="Reading masks", most=4)
