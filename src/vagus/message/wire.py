"""What a topic's settings may say of the way its events travel."""

from __future__ import annotations

from typing import Literal

import msgspec

from vagus.errors import InvalidArgument
from vagus.message.body.limit import Limits
from vagus.message.foreign import ForeignFields
from vagus.message.format import JSON, Codec, codec_named, codec_names

_MODES = ("structured", "binary", "json")


class Wire(msgspec.Struct, frozen=True):
    """How the events of one topic travel.

    `mode`: "structured" (default: one document), "binary" (data alone, attributes as headers), or "json" (written
    like binary JSON, and plain JSON without attributes is read by `mapping`). `codec`: "json" (default), "msgpack", or
    one that was registered or that an installed package brings.

    Raises InvalidArgument for another mode or codec, or for mode "json" with a codec that is not JSON.
    """

    mode: Literal["structured", "binary", "json"] = "structured"
    codec: str = "json"
    limits: Limits = Limits()
    mapping: ForeignFields = ForeignFields()

    def __post_init__(self) -> None:
        if self.mode not in _MODES:
            raise InvalidArgument(f"wire mode {self.mode!r} is not known: expected one of {', '.join(_MODES)}")
        if codec_named(self.codec) is None:
            raise InvalidArgument(f"codec {self.codec!r} is not known: expected one of {', '.join(codec_names())}")
        if self.mode == "json" and self.codec != "json":
            raise InvalidArgument(f"wire mode 'json' is plain JSON: expected codec 'json', not {self.codec!r}")

    @property
    def data_codec(self) -> Codec:
        """The codec that data is written with, and read with where nothing says otherwise."""
        return codec_named(self.codec) or JSON


#: Structured JSON within the default limits.
DEFAULT_WIRE = Wire()
