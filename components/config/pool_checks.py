"""Mistakes between node pools and the models that name them."""

import json
import re
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Any

from pydantic import ValidationError

from components.config.given import Given, models_of, pools_of, section_of
from components.config.problems import Problem
from components.config.sections import GpuConfig


def problems(given: Given) -> Iterator[Problem]:
    """Every such mistake."""
    yield from _unknown_pools(given)
    yield from _impossible_gpus(given)
    yield from _unshared_gpus(given)
    yield from _names_of_agent_pools(given)


def _unknown_pools(given: Given) -> Iterator[Problem]:
    """A model on a pool that is not there would wait for nodes without end."""
    known = list(pools_of(given.data))
    for model, config in models_of(given.data):
        name, path = config.get("nodePool"), ("models", model, "nodePool")
        if not isinstance(name, str) or name in known or given.is_secret("nodePools"):
            continue
        if known:
            close = get_close_matches(name, known, n=1) or known
            message, fix = f"there is no node pool {json.dumps(name)}; allowed: {', '.join(known)}", close[0]
            yield Problem(path=path, message=message, fix=given.commands.set(path, fix))
        else:
            message = f"there is no node pool {json.dumps(name)}: the stack has no nodePools"
            yield Problem(path=path, message=message, fix=given.commands.remove(path))


def _impossible_gpus(given: Given) -> Iterator[Problem]:
    """A pod with more GPUs than any node has would wait for a node without end."""
    pools = pools_of(given.data)
    for model, config in models_of(given.data):
        gpus, name = config.get("gpus"), config.get("nodePool")
        path = ("models", model, "gpus")
        if not isinstance(gpus, int):
            continue
        if name is None:
            message = "are those of a node pool, and the model names none; allowed with nodePool"
            fix = given.commands.set(("models", model, "nodePool"), next(iter(pools), "l4"))
            yield Problem(path=path, message=message, fix=fix)
        elif name in pools and pools[name].get("provider") != "stack":
            yield from _more_than_a_node_has(path, gpus, name, pools[name], given)


def _more_than_a_node_has(
    path: tuple[str, ...], gpus: int, name: str, pool: Mapping[str, Any], given: Given
) -> Iterator[Problem]:
    if pool.get("gpu") is None:
        message = f"the nodes of pool {name} have no GPU; allowed with a pool that has"
        yield Problem(path=path, message=message, fix=given.commands.remove(path))
        return
    gpu = _gpu_of(pool)
    if gpu is not None and gpus > gpu.per_node:
        message = f"{gpus} is more than a node of pool {name} has; allowed: at most {gpu.per_node} of {gpu.resource}"
        yield Problem(path=path, message=message, fix=given.commands.set(path, gpu.per_node))


def _unshared_gpus(given: Given) -> Iterator[Problem]:
    """MIG and time slices that nobody sets up would be GPUs that pods wait for without end."""
    support = given.data.get("gpuSupport")
    installed = section_of(given.data, "gpuSupport").get("install")
    served = [name for name, pool in pools_of(given.data).items() if _by_software(pool)]
    if support is not None and not served:
        message = "installs what makes GPUs a resource, and no pool of this stack has GPUs that need it"
        yield Problem(path=("gpuSupport",), message=message, fix=given.commands.remove(("gpuSupport",)))
    for name in served:
        pool = pools_of(given.data)[name]
        gpu, provider, path = _gpu_of(pool), pool.get("provider"), ("nodePools", name, "gpu")
        if gpu is None:
            continue
        by_label = provider in ("karpenter", "gke", "eks")
        if gpu.mig and by_label and installed != "gpu-operator":
            message = "is set up on the nodes by the GPU operator; allowed with gpuSupport.install gpu-operator"
            fix = given.commands.set(("gpuSupport", "install"), "gpu-operator")
            yield Problem(path=(*path, "mig"), message=message, fix=fix)
        if gpu.time_slicing and (by_label or provider == "aks") and installed is None:
            message = "is set up on the nodes by NVIDIA's device plugin; allowed with gpuSupport"
            fix = given.commands.set(("gpuSupport", "install"), "device-plugin")
            yield Problem(path=(*path, "timeSlicing"), message=message, fix=fix)


def _gpu_of(pool: Mapping[str, Any]) -> GpuConfig | None:
    """The GPUs of a pool, unless they are wrong, which is told by their own path."""
    try:
        return GpuConfig.model_validate(pool.get("gpu"))
    except ValidationError:
        return None


def _by_software(pool: Mapping[str, Any]) -> bool:
    """Whether the GPUs of a pool are a resource by software in the cluster. GKE brings its own, unless told not to."""
    by_gke = pool.get("provider") == "gke" and pool.get("driver") != "disabled"
    return isinstance(pool.get("gpu"), dict) and not by_gke


def _names_of_agent_pools(given: Given) -> Iterator[Problem]:
    """AKS allows names that others do not have to fit; a name is refused, never changed or cut."""
    for name, pool in pools_of(given.data).items():
        longest = 11 if pool.get("spot") == "preferred" else 12
        if pool.get("provider") == "aks" and not re.fullmatch(rf"[a-z][a-z0-9]{{0,{longest - 1}}}", name):
            yield Problem(
                path=("nodePools", name),
                message=f"is not a name that AKS takes; allowed: 1 to {longest} lower-case letters and digits, "
                "starting with a letter",
                fix="rename it, also where models name it",
            )
