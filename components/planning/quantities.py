"""Kubernetes' quantities as numbers."""

from decimal import ROUND_CEILING, Decimal

_UNITS = {
    "": Decimal(1), "n": Decimal("1e-9"), "u": Decimal("1e-6"), "m": Decimal("0.001"),
    "k": Decimal(10**3), "M": Decimal(10**6), "G": Decimal(10**9), "T": Decimal(10**12), "P": Decimal(10**15),
    "E": Decimal(10**18), "Ei": Decimal(2**60),
    "Ki": Decimal(2**10), "Mi": Decimal(2**20), "Gi": Decimal(2**30), "Ti": Decimal(2**40), "Pi": Decimal(2**50),
}  # fmt: skip


def quantity_value(quantity: str) -> Decimal:
    """The number that a quantity stands for: "500m" -> 0.5, "1Ki" -> 1024 (bytes or cores)."""
    number = quantity.rstrip("numkKMGTPEi")
    return Decimal(number) * _UNITS[quantity.removeprefix(number)]


def millicores(cpu: str) -> int:
    """Thousandths of a core, rounded up as Kubernetes does."""
    return int((quantity_value(cpu) * 1000).to_integral_value(rounding=ROUND_CEILING))


def whole_bytes(memory: str) -> int:
    """Bytes, rounded up as Kubernetes does."""
    return int(quantity_value(memory).to_integral_value(rounding=ROUND_CEILING))
