"""Names of resources in a program, and the ones made up for objects without a name."""

import hashlib
import secrets
from typing import NamedTuple


def urn_name(urn: str) -> str:
    """The resource's name in the program."""
    return urn.split("::", 3)[3]


def unique_name(prefix: str, seed: bytes, digits: int = 8) -> str:
    """`prefix` and hexadecimal digits; the same seed gives the same name, so that an update keeps a plan's names."""
    suffix = hashlib.sha256(seed + prefix.encode()).hexdigest() if seed else secrets.token_hex(digits)
    return prefix + suffix[:digits]


class Autonaming(NamedTuple):
    """What the engine's `pulumi:autonaming` configuration says about a name."""

    proposed: str = ""
    disabled: bool = False
