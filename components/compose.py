"""Print the Compose project of a stack as JSON, for `make compose`: `python -m components.compose < request.json`.

The request has the names of the `stack` and the `project`, its `config` as Pulumi has it (texts by their full keys),
which `secretKeys` of it are secrets, and `images`, by model, that were built from source. The answer holds no secret,
only where each is.
"""

import json
import sys
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import pulumi

from components.config import NAMESPACE, StackConfig
from components.errors import UserError
from components.planning.compose import project


def compose_project(request: Mapping[str, Any]) -> dict[str, Any]:
    """The answer to a request.

    Raises:
        UserError: the configuration has mistakes, a model is not built yet, or Docker cannot run one.
    """
    stack = str(request["stack"])
    pulumi.runtime.configure(pulumi.runtime.Settings(project=str(request["project"]), stack=stack))
    pulumi.runtime.set_all_config(dict(request["config"]), list(request["secretKeys"]))
    config, _ = StackConfig.load()
    images = {name: model.image or request["images"].get(name) for name, model in config.models.items()}
    if unbuilt := [name for name, image in images.items() if image is None]:
        raise UserError(
            f"{NAMESPACE}:models.{unbuilt[0]}.source: no image of {', '.join(unbuilt)} was built in stack {stack} yet "
            f"-> make up STACK={stack}"
        )
    for name, model in config.models.items():
        if model.files is not None and model.files.csi is not None:
            raise UserError(
                f"{NAMESPACE}:models.{name}.files.csi: Docker has no volumes of {model.files.csi.driver} "
                "-> files.image, or files.claim with a volume of that name"
            )
    made = project(stack, config, {model.served_name(name): images[name] for name, model in config.models.items()})
    return {
        "document": made.document(),
        "leftOut": made.left_out,
        "files": made.files,
        "secretFiles": {path: asdict(source) for path, source in made.secret_files.items()},
        "secretVariables": {
            path: {name: asdict(source) for name, source in variables.items()}
            for path, variables in made.secret_variables.items()
        },
    }


if __name__ == "__main__":
    try:
        json.dump(compose_project(json.load(sys.stdin)), sys.stdout)
    except UserError as error:
        sys.exit(str(error))
