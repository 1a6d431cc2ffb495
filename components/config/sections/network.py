"""How a model is reached."""

from typing import Literal

from components.config.sections.base import Section


class ServiceConfig(Section):
    """How the model is reached: a Service named like the model, port 80."""

    type: Literal["ClusterIP", "NodePort", "LoadBalancer"] = "ClusterIP"
