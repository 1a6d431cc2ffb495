"""Creating, updating, reading and deleting objects: what the engine's operations mean in a cluster."""

from .base import Operation
from .creating import create
from .deleting import delete
from .reading import read
from .updating import update

__all__ = ["Operation", "create", "delete", "read", "update"]
