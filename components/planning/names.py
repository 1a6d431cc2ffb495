"""Names and labels of what a model is made of.

The labels are Kubernetes' recommended ones (https://kubernetes.io/docs/concepts/overview/working-with-objects/common-labels/).
"""

from collections.abc import Mapping

COMPONENT = "model-server"
CANARY_COMPONENT = "model-server-canary"
NAME_LABEL = "app.kubernetes.io/name"
COMPONENT_LABEL = "app.kubernetes.io/component"
VERSION_LABEL = "app.kubernetes.io/version"
PART_OF = "model-serving"
# Of monitors and rules for a Prometheus that several stacks share, with its namespace as the value.
MONITORED_BY = "model-serving/monitored-by"

# A Service's port for HTTP clients, unless the stack file names another. The container's own is `ports.http`.
SERVICE_PORT, SERVICE_PORT_NAME = 80, "http"
GRPC_PORT_NAME = "grpc"


def selector_labels(stack: str, model: str) -> dict[str, str]:
    """Labels that tell the pods of one model in one stack from all others. They never change over a model's life."""
    return {
        NAME_LABEL: model,
        "app.kubernetes.io/instance": f"{stack}-{model}",
        COMPONENT_LABEL: COMPONENT,
        **stack_labels(),
    }


def canary_labels(selector: Mapping[str, str]) -> dict[str, str]:
    """Labels of a model's canary: those of its pods but for the component, so that neither selects the other's."""
    return {**selector, COMPONENT_LABEL: CANARY_COMPONENT}


def any_component(selector: Mapping[str, str]) -> dict[str, str]:
    """Labels that the pods of a model and of its canary share."""
    return {key: value for key, value in selector.items() if key != COMPONENT_LABEL}


def canary_name(model: str) -> str:
    """The name of a canary's Service, and of what Pulumi knows of it."""
    return f"{model}-canary"


def stack_labels() -> dict[str, str]:
    """Labels of everything in a stack, also of what belongs to no single model."""
    return {"app.kubernetes.io/part-of": PART_OF, "app.kubernetes.io/managed-by": "pulumi"}


def version_of(image: str) -> str:
    """The version label of an image by digest: the digest's first 12 hex digits, as Git shortens a commit.

    Empty, which a label's value may be, for an image that has no digest yet (a preview before the first build).
    """
    return image.partition("@sha256:")[2][:12]


def namespace_labels() -> dict[str, str]:
    """Labels of the models' namespace. The API server refuses pods below Pod Security level `restricted`."""
    levels = ("enforce", "warn", "audit")
    return stack_labels() | {f"pod-security.kubernetes.io/{level}": "restricted" for level in levels}


def service_url(service: str, namespace: str, port: int = SERVICE_PORT) -> str:
    """Where clients in the cluster find a model."""
    return f"http://{service}.{namespace}.svc:{port}"


def build_tag(repository: str, model: str, stack: str) -> str:
    """The tag under which a build is pushed. It is for people and for the build cache; pods run digests."""
    return f"{repository}/{model}:{stack}"
