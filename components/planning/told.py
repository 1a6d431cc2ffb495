"""What one stack tells another in its outputs."""

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel


class Told(BaseModel):
    """What is told to other stacks, whose program may be older or newer: unknown keys are ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore", alias_generator=to_camel, validate_by_name=True)

    def told(self) -> dict[str, object]:
        """As other stacks are told: plain values under camelCase keys, and nothing that is not so."""
        return self.model_dump(mode="json", by_alias=True, exclude_defaults=True)
