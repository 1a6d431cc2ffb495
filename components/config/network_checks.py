"""Mistakes between the sections that say who reaches a model, and by which way."""

import json
from collections.abc import Iterator

from components.config.given import Given, models_of, section_of
from components.config.problems import Problem


def problems(given: Given) -> Iterator[Problem]:
    """Every such mistake."""
    yield from _shared_hosts(given)
    yield from _closed_ingress(given)
    yield from _idle_network_settings(given)


def _shared_hosts(given: Given) -> Iterator[Problem]:
    """Two models at one host would answer each other's requests."""
    owners: dict[str, str] = {}
    for name, model in models_of(given.data):
        for way in ("ingress", "route"):
            host = section_of(model, way).get("host")
            if not isinstance(host, str):
                continue
            if (owner := owners.setdefault(host, name)) != name:
                yield Problem(
                    path=("models", name, way, "host"),
                    message=f"{json.dumps(host)} is the host of {owner} already; every model has its own",
                    fix=given.commands.set(("models", name, way, "host"), f"{name}.example.com"),
                )


def _closed_ingress(given: Given) -> Iterator[Problem]:
    """An Ingress whose controller the network policy keeps out would answer nothing but timeouts."""
    network = section_of(given.data, "network")
    if network.get("defaultDeny", True) in (False, "false") or network.get("allowFrom"):
        return
    for name, model in models_of(given.data):
        ingress, open_already = model.get("ingress"), section_of(model, "network").get("allowFrom")
        if isinstance(ingress, dict) and ingress.get("controllerNamespace") is None and not open_already:
            path = ("models", name, "ingress", "controllerNamespace")
            yield Problem(
                path=path,
                message="is required and missing: the network policy lets only those in that the stack file names; "
                "allowed: the namespace of the controller's pods, or network.allowFrom with their addresses",
                fix=given.commands.set(path, "ingress-nginx"),
            )


def _idle_network_settings(given: Given) -> Iterator[Problem]:
    """Without policies there is nothing to make holes in."""
    network = section_of(given.data, "network")
    if network.get("defaultDeny", True) not in (False, "false"):
        return
    places: list[tuple[str, ...]] = [("network", "allowFrom")] if network.get("allowFrom") else []
    for name, model in models_of(given.data):
        own = section_of(model, "network")
        places += [("models", name, "network", key) for key in ("allowFrom", "allowTo") if own.get(key)]
    for path in places:
        yield Problem(
            path=path,
            message="would do nothing: with network.defaultDeny false, everybody may connect",
            fix=given.commands.remove(path),
        )
