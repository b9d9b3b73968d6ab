"""A codec of somebody else's: property lists. A package like any other, that knows vagus only here."""

import plistlib

from vagus.message import plain_codec

CODEC = plain_codec(
    "plist",
    "application/x-plist",
    lambda value: plistlib.dumps(value, fmt=plistlib.FMT_BINARY),
    plistlib.loads,
    aliases=("application/x-bplist",),
)
