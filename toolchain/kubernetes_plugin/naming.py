"""Names: of types (URN, group/version/kind), of objects (ids) and the ones made up for unnamed objects."""

from typing import NamedTuple

from toolchain.plugin_base.errors import PluginError
from toolchain.plugin_base.naming import Autonaming, unique_name, urn_name
from toolchain.plugin_base.values import UNKNOWN, Object

from .objects import annotate, is_autonamed, metadata, name_of

PACKAGE = "kubernetes"


class Kind(NamedTuple):
    """Group, version and kind of an object; the core group is the empty string."""

    group: str
    version: str
    kind: str

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    @classmethod
    def of(cls, obj: Object) -> "Kind":
        """The kind that an object says it has."""
        group, _, version = str(obj.get("apiVersion", "")).rpartition("/")
        return cls(group, version, str(obj.get("kind", "")))

    @classmethod
    def from_urn(cls, urn: str) -> "Kind":
        """The kind behind a resource's type token, as in `kubernetes:apps/v1:Deployment`.

        Raises:
            PluginError: the type is not one that the API server could serve.
        """
        token = urn.split("::")[2].rpartition("$")[2]
        package, module, kind = (*token.split(":"), "", "")[:3]
        group, slash, version = module.partition("/")
        if package != PACKAGE or not slash or group in _COMPONENT_GROUPS:
            raise PluginError(f"{token} is not supported by this Kubernetes plugin: {_SCOPE}")
        if kind.endswith("Patch") and kind != "Patch":
            raise PluginError(f"{token}: patch resources are not supported by this Kubernetes plugin: {_SCOPE}")
        return cls("" if group == "core" else group, version, kind)


_COMPONENT_GROUPS = {"helm.sh", "kustomize", "yaml"}
_SCOPE = (
    "it stands in for the official one with plain Kubernetes objects, YAML files and Helm charts (helm.sh/v4) only. "
    "Install the official plugin (`pulumi plugin install resource kubernetes`) to use this type"
)


def object_id(obj: Object) -> str:
    """Pulumi's id of an object: `namespace/name`, or `name` for what has no namespace."""
    namespace = metadata(obj).get("namespace")
    return f"{namespace}/{name_of(obj)}" if namespace else name_of(obj)


def split_id(id_: str) -> tuple[str, str]:
    """Namespace (possibly empty) and name from an id."""
    namespace, _, name = id_.rpartition("/")
    return namespace, name


def assign_name(inputs: Object, old_inputs: Object, urn: str, seed: bytes, autonaming: Autonaming | None) -> None:
    """Give an unnamed object a name: the one made up for it before, else a new one.

    An annotation says that the name was made up, which lets a replacement exist beside what it replaces.

    Raises:
        PluginError: the name is left to Kubernetes (`generateName`), or autonaming is switched off.
    """
    wanted = inputs.setdefault("metadata", {})
    if wanted is UNKNOWN or wanted.get("name"):
        return
    if wanted.get("generateName"):
        raise PluginError("the `.metadata.generateName` field is not supported in Server-Side Apply mode")
    if old_inputs:
        if not is_autonamed(old_inputs):
            return
        name = name_of(old_inputs)
    elif autonaming and autonaming.disabled:
        raise PluginError("autonaming is disabled, resource requires the .metadata.name field to be set")
    elif autonaming and autonaming.proposed:
        name = autonaming.proposed
    else:
        name = unique_name(f"{urn_name(urn)}-", seed)
    wanted["name"] = name
    annotate(inputs, "autonamed", "true")
