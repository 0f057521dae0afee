"""Vectors that came with an event, from keys that the operator trusts with it.

The tag is `["embedding", <passage, from 0>, <model>, <float32, little-endian, base64>]`. What is not finite, of another model
or of another dimension is passed over, and the relay's own model makes the vector.
"""

import base64
import binascii
from typing import Final

import numpy as np

from relay.errors import Reject
from relay.protocol import event as events
from storage.commands import Model
from storage.search.embedders import Vectors, normalised

TAG: Final = "embedding"


def vector_of(wire: bytes | None, chunk: int, model: Model) -> Vectors | None:
    """The vector that the event gives for one of its passages, at length 1; None where it gives no usable one."""
    if wire is None:
        return None
    try:
        event = events.parse(wire)
    except Reject:
        return None
    for tag in event.tags:
        if len(tag) >= 4 and tag[0] == TAG and tag[1] == str(chunk) and tag[2] == model.name:
            return _read(tag[3], model.dimension)
    return None


def _read(text: str, dimension: int) -> Vectors | None:
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    if len(data) != 4 * dimension:
        return None
    given = np.frombuffer(data, dtype="<f4").astype(np.float32)
    if not np.isfinite(given).all() or not given.any():
        return None
    row: Vectors = normalised(given[None, :])[0]
    return row
