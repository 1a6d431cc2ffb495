"""Hands the rules to Pulumi: `pulumi preview --policy-pack policy [--policy-pack-config policy/prod.json]`."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

# Pulumi starts the pack as a folder, which then stands first on the path, in place of the project.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from pulumi_policy import (
    EnforcementLevel,
    Policy,
    PolicyConfigSchema,
    PolicyPack,
    ResourceValidationArgs,
    ResourceValidationPolicy,
    StackValidationArgs,
    StackValidationPolicy,
)

from policy.rule import Resource, Rule
from policy.rules import RULES


def _policy(rule: Rule) -> Policy:
    def of_resource(args: ResourceValidationArgs, report: Callable[..., Any]) -> None:
        resource = Resource(type=args.resource_type, name=args.name, properties=args.props)
        for message in rule.violations(resource, args.get_config()):
            report(message)

    def of_stack(args: StackValidationArgs, report: Callable[..., Any]) -> None:
        every = [
            Resource(type=entry.resource_type, name=entry.name, properties=entry.props) for entry in args.resources
        ]
        for message in rule.violations(every, args.get_config()):
            report(message)

    common: dict[str, Any] = {
        "name": rule.name,
        "description": rule.description,
        "enforcement_level": EnforcementLevel(rule.level),
        "config_schema": PolicyConfigSchema({name: dict(schema) for name, schema in rule.settings.items()}),
        "remediation_steps": rule.fix,
    }
    if rule.of_stack:
        return StackValidationPolicy(validate=of_stack, **common)
    return ResourceValidationPolicy(validate=of_resource, **common)


PolicyPack(name="model-serving", policies=[_policy(rule) for rule in RULES])
