"""Every error a user can cause, as one tree.

GroundlineError                 one line: what was found, what was expected, what to do
|-- InputError                  something the user gave
|   |-- DatasetError            a folder that holds no usable data set
|   |-- SceneError              a file that is no image, a window outside it
|   |-- MaskError               a mask that does not fit its image
|   |-- ClassesError            a class file or palette that makes no sense
|   `-- SettingsError           a number or option out of its range
|-- ModelError                  a model that is missing, broken or does not fit the scene
|-- ExportError                 a written file that does not equal what was meant
`-- JobError                    a job that cannot do what was asked
    `-- JobBusy                 a second start of a job that is running

Cancelled is no error of the user's and stands apart.
"""

from __future__ import annotations

OUT_OF_MEMORY = "Not enough memory. Close other programs, or take smaller patches, batches or windows."


class GroundlineError(Exception):
    """An error that a user can mend: what was found, what was expected, what to do.

    `str()` is one line, made for a page or the command line.
    """

    def __init__(self, found: str, *, expected: str, do: str):
        self.found = _sentence(found)
        self.expected = _sentence(expected)
        self.do = _sentence(do)
        super().__init__(f"{self.found}. Expected {self.expected}. {self.do}.")

    def __reduce__(self):
        return _rebuild, (type(self), self.found, self.expected, self.do)


class InputError(GroundlineError):
    """Something the user gave cannot be used."""


class DatasetError(InputError):
    """A folder or file holds no usable data set."""


class SceneError(InputError):
    """A raster cannot be opened or read as asked."""


class MaskError(InputError):
    """A mask does not fit its image or its classes."""


class ClassesError(InputError):
    """A class file or palette contradicts itself."""


class SettingsError(InputError):
    """A setting is out of its range."""


class ModelError(GroundlineError):
    """A model is missing, broken, or does not fit the scene."""


class ExportError(GroundlineError):
    """A written file does not hold what was to be written."""


class JobError(GroundlineError):
    """A job cannot do what was asked of it."""


class JobBusy(JobError):
    """The job, or the only place for jobs, is taken."""


class Cancelled(Exception):
    """The user asked a long operation to stop; nothing half-made is left behind."""


def _sentence(text: str) -> str:
    return " ".join(str(text).split()).rstrip(". ")


def _rebuild(kind: type[GroundlineError], found: str, expected: str, do: str) -> GroundlineError:
    return kind(found, expected=expected, do=do)
