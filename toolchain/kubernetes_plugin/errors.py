"""What can go wrong between the plugin and a cluster, in words for the person who runs `pulumi`."""

from collections.abc import Sequence
from typing import Any

from toolchain.plugin_base.errors import PluginError


class Unreachable(PluginError):
    """The cluster cannot be talked to: no usable kubeconfig, no connection, or refused credentials."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"configured Kubernetes cluster is unreachable: {reason}")
        self.reason = reason


class NoSuchKind(PluginError):
    """The API server does not serve this kind, usually because a CRD is missing."""

    def __init__(self, api_version: str, kind: str) -> None:
        super().__init__(f'no matches for kind "{kind}" in version "{api_version}"')


class ApiError(PluginError):
    """A `Status` that the API server answered instead of an object."""

    def __init__(self, code: int, status: dict[str, Any]) -> None:
        super().__init__(str(status.get("message") or f"the API server answered HTTP {code}"))
        self.code = code
        self.reason = str(status.get("reason") or "")
        self.details: dict[str, Any] = status.get("details") or {}

    @property
    def not_found(self) -> bool:
        return self.code == 404

    @property
    def namespace_missing(self) -> bool:
        """The object's namespace does not exist (as opposed to the object itself)."""
        return self.code == 404 and self.details.get("kind") == "namespaces"

    @property
    def already_exists(self) -> bool:
        return self.reason == "AlreadyExists"

    @property
    def conflict(self) -> bool:
        return self.reason == "Conflict"

    @property
    def forbidden(self) -> bool:
        return self.code == 403

    @property
    def no_dry_run(self) -> bool:
        """An admission webhook with side effects forbids a dry run."""
        return self.code == 400 and "does not support dry run" in str(self)


class NotReady(PluginError):
    """The object exists but did not become what its inputs ask for."""

    def __init__(self, message: str, reasons: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.reasons = list(reasons)


class Partial(PluginError):
    """An operation that changed the cluster and then failed: the engine must keep `outputs` in the state.

    Attributes:
        id: Pulumi's id of the object.
        outputs: what to store, secrets marked.
        inputs: inputs to store in place of the program's, or None to leave them.
        reasons: what went wrong, most general first.
    """

    def __init__(
        self,
        id_: str,
        outputs: dict[str, Any],
        error: PluginError,
        prefix: str = "",
        inputs: dict[str, Any] | None = None,
    ) -> None:
        message = f"{prefix}{error}"
        super().__init__(message)
        self.id = id_
        self.outputs = outputs
        self.inputs = inputs
        self.reasons = [message, *getattr(error, "reasons", [])]


FIELD_CONFLICT_HELP = (
    "https://www.pulumi.com/registry/packages/kubernetes/how-to-guides/"
    "managing-resources-with-server-side-apply/#handle-field-conflicts-on-existing-resources"
)


def explain_conflict(error: ApiError, manager: str) -> PluginError:
    """Say what a server-side apply conflict means and where its remedies are listed."""
    return PluginError(
        f"server-side apply field conflict detected, see {FIELD_CONFLICT_HELP} for troubleshooting help\n"
        f'The resource managed by field manager "{manager}" had an apply conflict: {error}'
    )


def explain_already_exists(error: ApiError) -> PluginError:
    """Say what can be done about an object that is already there."""
    return PluginError(
        f"{error}. The object is in the cluster but not in this stack: bring it in with `pulumi import`, "
        "give a renamed resource an alias, or choose another name."
    )
