"""What all node pools have in common: their arguments, and an attribute `plan`, which is all that models need."""

from dataclasses import dataclass
from typing import Generic, TypeVar

from components.planning.pools import NodePool

Config = TypeVar("Config")


@dataclass(frozen=True, kw_only=True)
class NodePoolArgs(Generic[Config]):
    """A pool by its section of the configuration, and as models see it."""

    config: Config
    plan: NodePool
