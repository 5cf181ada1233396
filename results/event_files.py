"""Scalars in TensorBoard's files of events, every record's checksum compared; a torn last record is none.

The format is TensorFlow's: records with a length, the event as a protocol buffer, and checksums of both
(tensorflow/tensorflow:tensorflow/core/lib/io/record_writer.h). TensorBoard's own reader stops at a damaged record and
shows what came before, which here would lose episodes without a word.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

_PATTERN = "*tfevents*"


class DamagedEventsError(ValueError):
    """A file of events was damaged; the message is a sentence."""


def scalars(path: Path) -> dict[str, dict[int, Any]]:
    """By tag and step, the values of all scalars of a file of events, or of those in a folder; of a step, the last.

    Raises:
      DamagedEventsError: if a record does not match its checksum.
    """
    files = sorted(path.glob(_PATTERN)) if path.is_dir() else [path]
    found: dict[str, dict[int, Any]] = {}
    for file in files:
        for event in _events(file):
            for value in event.summary.value:
                if (number := _number(value)) is not None:
                    found.setdefault(value.tag, {})[event.step] = number
    return found


def _number(value: Any) -> Any:
    """What a scalar is; None for a picture, a text or the like."""
    from tensorboard.util import tensor_util

    if value.HasField("simple_value"):
        return value.simple_value
    if value.HasField("tensor") and not value.tensor.tensor_shape.dim:  # as TensorFlow 2 writes it
        array = tensor_util.make_ndarray(value.tensor)
        return float(array) if array.dtype.kind in "fiu" else None
    return None


def _events(file: Path) -> Iterator[Any]:
    from google.protobuf.message import DecodeError
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.tensorflow_stub.errors import DataLossError, OutOfRangeError
    from tensorboard.compat.tensorflow_stub.pywrap_tensorflow import PyRecordReader_New

    reader = PyRecordReader_New(str(file))
    while True:
        try:
            reader.GetNext()
            event = Event.FromString(reader.record())
        except OutOfRangeError:
            return
        except DataLossError as error:
            if "truncated" in str(error):  # whoever wrote it was stopped
                return
            raise DamagedEventsError(f"{file} is no file of events, or damaged: a checksum does not match.") from error
        except DecodeError as error:
            raise DamagedEventsError(f"{file} is no file of events: a record holds something else.") from error
        yield event
