"""Event files that TensorBoard opens, beside each run.

TensorFlow's own `tf.summary` needs the package tensorboard to write. The format is TFRecords of `Event` messages, and
TensorFlow holds both.
"""

from __future__ import annotations

import io
import math
import os
import socket
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

EVENTS_FOLDER = "tensorboard"
_LEFT_OUT = ("epoch", "best")


class EventFiles:
    """Writes the history of one run into a new event file in `folder`; a resumed run gets one more file.

    `epoch`: the last finished epoch, 0 for a new run. TensorBoard then forgets what a killed run wrote after it.
    """

    def __init__(self, folder: str | os.PathLike, *, epoch: int = 0):
        import tensorflow as tf

        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        self._proto = tf.compat.v1
        # The time comes first in the name, because TensorBoard reads the files of a folder in this order.
        name = f"events.out.tfevents.{time.time_ns() // 1000:017d}.{socket.gethostname()}.{os.getpid()}.v2"
        self._writer = tf.io.TFRecordWriter(str(folder / name))
        self._write(file_version="brain.Event:2")
        if epoch:
            self._write(step=epoch + 1, session_log=self._proto.SessionLog(status=self._proto.SessionLog.START))

    def add(self, line: Mapping[str, Any], preview: Path | None = None) -> None:
        """One line of the history as scalars at its epoch, nested ones as `name/key`, and the preview as a picture."""
        summary = self._proto.Summary()
        for name, value in line.items():
            for tag, number in numbers(name, value):
                summary.value.add(tag=tag, simple_value=number)
        if preview is not None:
            height, width, encoded = _jpeg(preview)
            image = self._proto.Summary.Image(height=height, width=width, colorspace=3, encoded_image_string=encoded)
            summary.value.add(tag="preview", image=image)
        self._write(step=line["epoch"], summary=summary)
        self._writer.flush()

    def close(self) -> None:
        """Finish the file."""
        self._writer.close()

    def _write(self, **fields: Any) -> None:
        self._writer.write(self._proto.Event(wall_time=time.time(), **fields).SerializeToString())


def numbers(name: str, value: Any) -> list[tuple[str, float]]:
    """The scores in one entry of a history's line with their names, nested ones as `name/key`; what is no finite number is left out."""
    if isinstance(value, Mapping):
        return [pair for key, item in value.items() for pair in numbers(f"{name}/{key}", item)]
    good = isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value) and name not in _LEFT_OUT
    return [(name, float(value))] if good else []


def _jpeg(path: Path) -> tuple[int, int, bytes]:
    """Height, width and a smaller encoding of a picture: the lossless one lies in the run's folder already."""
    from PIL import Image

    buffer = io.BytesIO()
    with Image.open(path) as image:
        image.convert("RGB").save(buffer, format="JPEG", quality=85)
        return image.height, image.width, buffer.getvalue()
