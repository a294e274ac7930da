"""Which classes do not count as labelled when patches are chosen: background, and ground that nobody labelled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from core.datasets.datasets import Dataset
from core.datasets.masks.sampling import spread
from core.errors import SettingsError
from core.scenes.resampling import scaled_length

_WORDS = frozenset(("background", "unlabelled", "unlabeled"))
_UNNAMED = frozenset(("Class 0", "Class #000000"))
"""What `palettes.discover` calls the value 0 and the colour black where nobody named them."""


@dataclass(frozen=True)
class NotLabelled:
    """Ids of the classes, and a sentence where nobody said whether they are: "" where there is nothing to ask."""

    ids: tuple[int, ...] = ()
    question: str = ""


def not_labelled(dataset: Dataset, asked: Sequence[str | int] | None, *, patch_size: int, scale: float = 1.0) -> NotLabelled:
    """The classes that do not count as labelled: those `asked` for by name or value in the masks, or by themselves when None.

    By themselves: classes called background or unlabelled; else the value 0 (or black) of masks whose values nobody named,
    where no other value marks ground that nobody labelled. In chips, scenes no larger than a patch, every class counts: there
    somebody has chosen already. Raises SettingsError for a class that there is not.
    """
    if asked is not None:
        return NotLabelled(tuple(dict.fromkeys(_id_of(dataset, one) for one in asked)))
    if len(dataset.scheme) < 2 or _are_chips(dataset, patch_size, scale):
        return NotLabelled()
    called = tuple(k for k, name in enumerate(dataset.scheme.names) if name.strip().lower() in _WORDS)
    if called:
        return NotLabelled(called)
    unnamed = tuple(k for k, name in enumerate(dataset.scheme.names) if name in _UNNAMED)
    if not unnamed or dataset.marks_unlabelled:
        return NotLabelled()
    name = dataset.scheme.names[unnamed[0]]
    return NotLabelled(unnamed, f"{name} has no name and is taken for ground that nobody labelled; if it is a class like others, say so.")


def _id_of(dataset: Dataset, asked: str | int) -> int:
    scheme, wanted = dataset.scheme, str(asked).strip().lower()
    names = [name.strip().lower() for name in scheme.names]
    values = [str(value) for value in (scheme.values or range(len(scheme)))]
    for known in (names, values):
        if wanted in known:
            return known.index(wanted)
    raise SettingsError(
        f"no class {asked!r} that could count as not labelled",
        expected=f"some of {', '.join(scheme.names)}, or none",
        do="Change not_labelled",
    )


def _are_chips(dataset: Dataset, patch_size: int, scale: float) -> bool:
    return all(scaled_length(max(pair.image.shape), scale) <= patch_size for pair in spread(dataset.pairs))
