"""What only the whole configuration can tell: mistakes between sections, and in keys that belong to none.

Each check looks at a configuration that may still be wrong in any way, so that all mistakes are told at once.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from components.config import (
    database_checks,
    defaults,
    docker_checks,
    monitoring_checks,
    name_checks,
    network_checks,
    pool_checks,
    signing_checks,
)
from components.config.given import Given, listed_secrets, models_of, pools_of, section_of
from components.config.problems import NAMESPACE, Problem, unknown_key

_OF_SECTIONS = (
    name_checks,
    network_checks,
    pool_checks,
    database_checks,
    monitoring_checks,
    docker_checks,
    signing_checks,
)


def problems(given: Given) -> Iterator[Problem]:
    """Every mistake that no single section shows."""
    yield from _secret_sections(given)
    yield from _unknown_keys(given)
    yield from _nothing_to_do(given)
    yield from _defaults_of_one_model(given)
    yield from _missing_registry(given)
    yield from _platforms_without_wheels(given)
    yield from _missing_secrets(given)
    yield from _strange_pull_secrets(given)
    for checks in _OF_SECTIONS:
        yield from checks.problems(given)


def _secret_sections(given: Given) -> Iterator[Problem]:
    """Sections may hold no secret values: Pulumi would hand them over, and store them, in plain text."""
    for key in filter(given.is_secret, given.sections):
        yield Problem(
            path=(key,),
            message="holds an encrypted value; list the key of a secret under models.<name>.secrets instead",
            fix=f"take it out of Pulumi.{given.stack}.yaml, and {given.commands.set_secret('<key>')}",
        )


def _unknown_keys(given: Given) -> Iterator[Problem]:
    sections = list(given.sections)
    used = {key for _, key in listed_secrets(given.data)}
    for key in given.own_keys(NAMESPACE):
        if key in sections or key in used:
            continue
        if given.is_secret(key) and not given.is_secret("models"):
            yield Problem(
                path=(key,),
                message="is a secret that no model uses; list it under models.<name>.secrets, or remove it",
                fix=given.commands.remove((key,)),
            )
        elif not given.is_secret(key):
            yield unknown_key((key,), sections, given.commands)
    if given.project != NAMESPACE:
        for key in given.own_keys(given.project):
            if key in sections or key in used:
                yield Problem(
                    path=(key,),
                    message=f"is set as {given.project}:{key}; this program reads {NAMESPACE}:{key}",
                    fix=f"rename it in Pulumi.{given.stack}.yaml, or set it again with its namespace",
                )


def _nothing_to_do(given: Given) -> Iterator[Problem]:
    """A stack has models, or what those of others use: node pools, charts or monitoring."""
    shared = pools_of(given.data) or given.data.get("charts") or _shared_monitoring(given.data)
    if given.data.get("models", {}) == {} and not shared and not given.is_secret("models"):
        verdict = "is empty" if "models" in given.data else "is required and missing"
        yield Problem(
            path=("models",),
            message=f"{verdict}; allowed: a map of models by name",
            fix=given.commands.set(("models", "digits", "source", "framework"), "keras"),
        )


def _defaults_of_one_model(given: Given) -> Iterator[Problem]:
    """What makes a model this one and no other cannot be a default."""
    shared = given.data.get(defaults.KEY)
    if not isinstance(shared, dict):
        return
    for key in ("source", "image", "canary", "renamedFrom"):
        if key in shared:
            path = (defaults.KEY, key)
            message = "cannot be a default: every model has its own; allowed: all other keys of a model"
            yield Problem(path=path, message=message, fix=given.commands.remove(path))


def _shared_monitoring(data: Mapping[str, Any]) -> bool:
    return section_of(data, "monitoring").get("shared") in (True, "true")


def _missing_registry(given: Given) -> Iterator[Problem]:
    built = [name for name, model in models_of(given.data) if model.get("source") is not None]
    if built and "registry" not in given.data and not given.is_secret("registry"):
        yield Problem(
            path=("registry", "repository"),
            message=f"is required and missing; the registry to push {', '.join(built)} to, built from source",
            fix=given.commands.set(("registry", "repository"), "registry.example.com/team/models"),
        )


def _platforms_without_wheels(given: Given) -> Iterator[Problem]:
    """TensorFlow for processors, and CUDA, are built for one kind of machine only."""
    platforms = section_of(given.data, "image").get("platforms")
    if not isinstance(platforms, list) or "linux/arm64" not in platforms:
        return
    for name, model in models_of(given.data):
        for key, value in (("runtime", "tensorflow"), ("accelerator", "cuda")):
            if model.get("source") is not None and model.get(key) == value:
                yield Problem(
                    path=("models", name, key),
                    message=f'"{value}" is built for linux/amd64 only, and image.platforms names linux/arm64',
                    fix="take linux/arm64 out of image.platforms, or build this model in a stack of its own",
                )


def _missing_secrets(given: Given) -> Iterator[Problem]:
    for path, key in listed_secrets(given.data):
        if key in given.sections:
            message, fix = f"{key} is the name of a section; a secret needs another one", "rename it"
        elif not given.has_value(key):
            message, fix = f"the secret {key} has no value", given.commands.set_secret(key)
        elif not given.is_secret(key):
            message, fix = f"the secret {key} is stored in plain text", given.commands.set_secret(key)
        else:
            continue
        yield Problem(path=path, message=message, fix=fix)


def _strange_pull_secrets(given: Given) -> Iterator[Problem]:
    """The API server refuses a Secret of Docker's kind that is no Docker configuration, and quotes none of it."""
    key = section_of(section_of(given.data, "registry"), "pullSecret").get("config")
    if not isinstance(key, str) or not given.has_value(key) or not given.is_secret(key):
        return
    try:
        content = json.loads(given.value(key))
    except json.JSONDecodeError:
        content = None
    if not (isinstance(content, dict) and isinstance(content.get("auths"), dict) and content["auths"]):
        yield Problem(
            path=("registry", "pullSecret", "config"),
            message=f"the secret {key} is no Docker configuration: JSON with the registry's credentials in auths",
            fix=f"{given.commands.set_secret(key)} < ~/.docker/config.json",
        )
