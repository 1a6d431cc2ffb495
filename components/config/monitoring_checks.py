"""Mistakes between the sections that say who watches the models, who is told, and where their logs go."""

import json
import re
from collections.abc import Iterator
from typing import Any

from components.config.given import MAX_LABEL, Given, models_of, receivers_of, section_of, served_names
from components.config.problems import Path, Problem


def problems(given: Given) -> Iterator[Problem]:
    """Every such mistake."""
    yield from _idle_monitoring(given)
    yield from _unmeasured_targets(given)
    yield from _untold_alerts(given)
    yield from _settings_of_another_mode(given)
    yield from _forgotten_budgets(given)
    yield from _namespace_of_logs(given)


def _idle_monitoring(given: Given) -> Iterator[Problem]:
    """Without anybody who watches, how to watch means nothing."""
    monitoring = section_of(given.data, "monitoring")
    if monitoring.get("mode", "off") != "off":
        return
    for key in monitoring:
        if key != "mode":
            yield Problem(
                path=("monitoring", key),
                message="would do nothing: monitoring.mode is off",
                fix=f"{given.commands.set(('monitoring', 'mode'), 'existing')}, or take it out",
            )


def _unmeasured_targets(given: Given) -> Iterator[Problem]:
    """An autoscaler by metrics that nobody reads would leave the replicas as they are."""
    if section_of(given.data, "monitoring").get("mode", "off") != "off":
        return
    for name, model in models_of(given.data):
        for key in ("targetInFlight", "targetQueueTime", "keda"):
            if section_of(model, "replicas").get(key) is not None:
                yield Problem(
                    path=("models", name, "replicas", key),
                    message="needs a Prometheus that reads the models' metrics; allowed with a monitoring.mode that is "
                    "not off",
                    fix=given.commands.set(("monitoring", "mode"), "existing"),
                )


def _untold_alerts(given: Given) -> Iterator[Problem]:
    """Alerts are told by the Alertmanager of this stack, to receivers that there are, of models that there are."""
    alerts = section_of(given.data, "alerts")
    if not alerts:
        return
    mode = section_of(given.data, "monitoring").get("mode", "off")
    if mode in ("off", "existing", "stack"):
        elsewhere = "take it out, and give alerts.routes of the stack that monitoring.stack names one of this namespace"
        yield Problem(
            path=("alerts",),
            message=f"would do nothing: monitoring.mode is {mode}, and whom another Alertmanager tells is not for this "
            "stack to say; allowed with: install, chart",
            fix=elsewhere
            if mode == "stack"
            else f"{given.commands.set(('monitoring', 'mode'), 'install')}, or take it out",
        )
    receivers = list(receivers_of(given.data))
    routes = alerts.get("routes")
    places: list[tuple[Path, Any]] = [(("alerts", "default"), alerts.get("default"))]
    for index, route in enumerate(routes if isinstance(routes, list) else ()):
        if isinstance(route, dict):
            places.append((("alerts", "routes", index, "receiver"), route.get("receiver")))
            model, here = route.get("model"), given.data.get("namespace", "models")
            # Which models another namespace has, only its own stack knows.
            if route.get("namespace", here) != here:
                continue
            if isinstance(model, str) and model not in (models := list(served_names(given.data).values())):
                yield Problem(
                    path=("alerts", "routes", index, "model"),
                    message=f"{json.dumps(model)} is no model of this stack; allowed: {', '.join(models)}",
                    fix=given.commands.set(("alerts", "routes", index, "model"), models[0])
                    if models
                    else "take it out",
                )
    for path, receiver in places:
        if receivers and isinstance(receiver, str) and receiver not in receivers:
            yield Problem(
                path=path,
                message=f"{json.dumps(receiver)} is not in alerts.receivers; allowed: {', '.join(receivers)}",
                fix=given.commands.set(path, receivers[0]),
            )


# What each key of monitoring means something for; the others hold for every mode.
_MODES_OF = {
    "install": ("install",),
    "chart": ("chart",),
    "stack": ("stack",),
    "shared": ("install", "chart"),
    **dict.fromkeys(("labels", "namespace", "scrapeInterval", "runbookUrl"), ("existing", "install", "chart")),
}


def _settings_of_another_mode(given: Given) -> Iterator[Problem]:
    """Some settings are of some modes, and in mode `stack` the other stack's hold."""
    monitoring = section_of(given.data, "monitoring")
    mode = monitoring.get("mode", "off")
    for key, modes in _MODES_OF.items():
        path = ("monitoring", key)
        if key not in monitoring or mode == "off" or mode in modes:
            continue
        message = f"would do nothing: monitoring.mode is {mode}; allowed with: {', '.join(modes)}"
        if mode == "stack":
            message, fix = f"{message}; here the other stack's holds", given.commands.remove(path)
        else:
            fix = f"{given.commands.set(('monitoring', 'mode'), modes[0])}, or take it out"
        yield Problem(path=path, message=message, fix=fix)


_HOURS = {"h": 1, "d": 24, "w": 7 * 24}


def _forgotten_budgets(given: Given) -> Iterator[Problem]:
    """What is left of a budget is told from the samples of its whole window."""
    retention = section_of(section_of(given.data, "monitoring"), "install").get("retention")
    if not (isinstance(retention, str) and re.fullmatch(r"\d+[hdw]", retention)):
        return
    for name, model in models_of(given.data):
        window = section_of(model, "slo").get("window", "30d" if "slo" in model else "")
        if not (isinstance(window, str) and re.fullmatch(r"\d+d", window)):
            continue
        if int(retention[:-1]) * _HOURS[retention[-1]] < int(window[:-1]) * _HOURS["d"]:
            yield Problem(
                path=("monitoring", "install", "retention"),
                message=f"is {retention}, less than the window of model {name}'s objectives, {window}: what is left of "
                f"its budget would be told wrong; allowed: {window} or more",
                fix=f"{given.commands.set(('monitoring', 'install', 'retention'), window)}, or shorten slo.window",
            )
            return


def _namespace_of_logs(given: Given) -> Iterator[Problem]:
    """The collector reads files of its node, which no pod of the models' namespace may."""
    logs, models = section_of(given.data, "logs"), given.data.get("namespace", "models")
    if logs.get("target", "off") == "off" or not isinstance(models, str):
        return
    path, named = ("logs", "namespace"), logs.get("namespace")
    fix = given.commands.set(path, "model-logs")
    if named == models:
        message = "is the models' namespace, where no pod may read files of its node; allowed: any other namespace"
        yield Problem(path=path, message=message, fix=fix)
    if named is None and len(models) > MAX_LABEL - len("-logs"):
        message = f"is required and missing: {models}-logs is longer than the 63 characters that a namespace may have"
        yield Problem(path=path, message=message, fix=fix)
