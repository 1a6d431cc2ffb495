"""Names that do not fit into the cluster, or are two models' there."""

import json
from collections.abc import Iterator

from components.config.given import MAX_LABEL, Given, models_of, pools_of, section_of, served_names
from components.config.problems import Path, Problem
from components.planning.names import canary_name


def problems(given: Given) -> Iterator[Problem]:
    """Every such mistake."""
    yield from _long_names(given)
    yield from _former_names(given)
    yield from _canary_names(given)
    yield from _service_names(given)


def _long_names(given: Given) -> Iterator[Problem]:
    named = [("models", name, served, "model") for name, served in served_names(given.data).items()]
    named += [("nodePools", name, name, "node pool") for name in pools_of(given.data)]
    for section, name, labelled, what in named:
        if len(label := f"{given.stack}-{labelled}") > MAX_LABEL:
            yield Problem(
                path=(section, name),
                message=f'the label "{label}" has {len(label)} characters; allowed: {MAX_LABEL}',
                fix=f"shorten the name of the stack or of the {what}",
            )


def _former_names(given: Given) -> Iterator[Problem]:
    """Two models of one name in the cluster would be one there."""
    models, owners = dict(models_of(given.data)), dict[str, str]()
    for name, served in served_names(given.data).items():
        path: Path = ("models", name, "renamedFrom")
        if models[name].get("renamedFrom") == name:
            message = "would do nothing: it is the name that the model has"
            yield Problem(path=path, message=message, fix=given.commands.remove(path))
        elif served != name and (other := served if served in models else owners.get(served)):
            # Also where the other one was renamed itself: nobody could tell the two apart.
            message = f"{json.dumps(served)} is the name of {other} already; allowed: the name that this model had"
            yield Problem(path=path, message=message, fix=given.commands.remove(path))
        owners.setdefault(served, name)


def _canary_names(given: Given) -> Iterator[Problem]:
    """A canary's Service is named after its model, so no other model may have that name."""
    keys = {served: name for name, served in served_names(given.data).items()}
    for name, model in models_of(given.data):
        taken = keys.get(canary_name(served_names(given.data)[name]))
        if model.get("canary") is not None and taken is not None:
            yield Problem(
                path=("models", taken),
                message=f"is the name of the canary of {name}; allowed: any other name",
                fix="rename it",
            )


def _service_names(given: Given) -> Iterator[Problem]:
    """A Service that the stack file names is no other model's, and no canary's."""
    served, chosen = served_names(given.data), dict[str, str]()
    taken = {
        canary_name(served[name]): f"the canary of {name}"
        for name, model in models_of(given.data)
        if model.get("canary") is not None
    }
    for name, model in models_of(given.data):
        service = section_of(model, "service").get("name")
        if isinstance(service, str):
            chosen[name] = service
        else:
            taken[served[name]] = name
    for name, service in chosen.items():
        if (owner := taken.setdefault(service, name)) != name:
            path = ("models", name, "service", "name")
            message = f"{json.dumps(service)} is the Service of {owner} already; allowed: any other name"
            yield Problem(path=path, message=message, fix=given.commands.remove(path))
