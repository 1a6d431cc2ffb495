"""Reusable value types of the stack file: what a name, a quantity or an image reference is.

Each type says in `title` what it is ("... is not a <title>"), in `description` what is allowed, and in `examples` a
value that works. The error messages and the editors' JSON schema are made of these, so they are written once, here.
"""

from ipaddress import ip_network
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field
from pydantic_core import PydanticCustomError

_REPOSITORY = (
    r"(?:[a-zA-Z0-9.-]+(?::[0-9]+)?/)?"
    r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*"
)
_POSITIVE_DECIMAL = r"(?:[0-9]*[1-9][0-9]*|[0-9]+\.[0-9]*[1-9][0-9]*|[0-9]*[1-9][0-9]*\.[0-9]+)"


def _number_to_text(value: Any) -> Any:
    """YAML reads `cpu: 2` as a number; Kubernetes takes it as the quantity "2", and so do we."""
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


def setting_to_text(value: Any) -> Any:
    """`pulumi config set --path` stores 1 and true as number and boolean; the environment holds text.

    Not so for 1.10, which YAML has already read as 1.1: that needs quotes, and the text type's error says so.
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int) else value


def _network(text: str) -> str:
    """Refuse what looks like a range of addresses and is none."""
    try:
        ip_network(text)
    except ValueError:
        raise PydanticCustomError("not_a_network", "is not a range of addresses") from None
    return text


ClusterName = Annotated[
    str,
    Field(
        pattern=r"^\S+$",
        title="cluster name",
        description='"local" (the current context of your kubeconfig) or the name of a kubeconfig context',
        examples=["local"],
    ),
]

NamespaceName = Annotated[
    str,
    Field(
        pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$",
        max_length=63,
        title="Kubernetes namespace",
        description='1 to 63 lower-case letters, digits and "-", with a letter or digit at both ends',
        examples=["models"],
    ),
]

ObjectName = Annotated[
    str,
    Field(
        pattern=r"^[a-z0-9]([-.a-z0-9]*[a-z0-9])?$",
        max_length=253,
        title="Kubernetes object name",
        description='1 to 253 lower-case letters, digits, "-" and ".", with a letter or digit at both ends',
        examples=["registry-login"],
    ),
]

# A model's name is its Service's name, which must start with a letter (RFC 1035). 40 leaves room in labels (63) and
# pod names for the stack's name and the suffixes that Kubernetes appends.
ModelName = Annotated[
    str,
    Field(
        pattern=r"^[a-z]([-a-z0-9]*[a-z0-9])?$",
        max_length=40,
        title="model name",
        description='1 to 40 lower-case letters, digits and "-", starting with a letter, not ending with "-"',
        examples=["digits"],
    ),
]

# As long as Kubernetes allows it: whoever made it did not keep to our 40.
ServiceName = Annotated[
    str,
    Field(
        pattern=r"^[a-z]([-a-z0-9]*[a-z0-9])?$",
        max_length=63,
        title="Service name",
        description='1 to 63 lower-case letters, digits and "-", starting with a letter, not ending with "-"',
        examples=["digits-api"],
    ),
]

# A Service with one port may leave it without a name.
PortName = Annotated[
    str,
    Field(
        pattern=r"^(?:[a-z0-9]([-a-z0-9]*[a-z0-9])?)?$",
        max_length=63,
        title="port name",
        description='at most 63 lower-case letters, digits and "-", with a letter or digit at both ends; "" for none',
        examples=["web"],
    ),
]

CpuQuantity = Annotated[
    str,
    Field(
        pattern=rf"^(?:[0-9]*[1-9][0-9]*m|{_POSITIVE_DECIMAL})$",
        title="CPU quantity",
        description="cores above zero as Kubernetes writes them: 250m (a quarter), 0.5, 2",
        examples=["250m"],
    ),
    BeforeValidator(_number_to_text),
]

MemoryQuantity = Annotated[
    str,
    Field(
        pattern=rf"^{_POSITIVE_DECIMAL}(?:[kMGTP]|[KMGTP]i)$",
        title="quantity",
        description="bytes above zero as Kubernetes writes them: 512Mi, 1Gi, 1G (units k M G T P or Ki Mi Gi Ti Pi)",
        examples=["512Mi"],
    ),
    BeforeValidator(_number_to_text),
]

ImageRepository = Annotated[
    str,
    Field(
        pattern=rf"^{_REPOSITORY}$",
        title="image repository",
        description="registry and path in lower case, without scheme, tag or digest",
        examples=["registry.example.com/team/models"],
    ),
]

ImageRef = Annotated[
    str,
    Field(
        pattern=rf"^{_REPOSITORY}(?::[a-zA-Z0-9_][a-zA-Z0-9_.-]{{0,127}})?@sha256:[0-9a-f]{{64}}$",
        title="image by digest",
        description="repository@sha256:<64 hex digits>; a tag alone can change under a running service",
        examples=["registry.example.com/team/models/digits@sha256:" + "0123456789abcdef" * 4],
    ),
]

EnvName = Annotated[
    str,
    Field(
        pattern=r"^[A-Za-z_][A-Za-z0-9_]*$",
        max_length=253,
        title="environment variable name",
        description='letters, digits and "_", not starting with a digit',
        examples=["LOG_LEVEL"],
    ),
]

EnvValue = Annotated[
    str,
    BeforeValidator(setting_to_text, json_schema_input_type=str | int | bool),
    Field(
        title="text",
        description="text, a whole number, true or false; put other numbers in quotes",
        examples=["info"],
    ),
]

# Pulumi hands a plain value of a stack file over as text.
Switch = Annotated[
    bool,
    BeforeValidator(
        lambda value: {"true": True, "false": False}.get(value, value) if isinstance(value, str) else value,
        json_schema_input_type=bool,
    ),
    Field(strict=True, title="switch", description="true or false", examples=[True]),
]

# The key is a stack config key and becomes a file name below /run/secrets/model-serving.
SECRET_KEY = r"^[A-Za-z][-A-Za-z0-9_.]{0,62}$"  # noqa: S105 - the form of a name, not a secret
SecretKey = Annotated[
    str,
    Field(
        pattern=SECRET_KEY,
        title="secret key",
        description='1 to 63 letters, digits, "-", "_" and ".", starting with a letter',
        examples=["apiToken"],
    ),
]

QualityLoss = Annotated[
    float,
    Field(
        strict=True,
        ge=0,
        lt=1,
        title="loss of quality",
        description="a number from 0 to below 1: what int8 weights may cost of the held-out accuracy or R2",
        examples=[0.01],
    ),
]

# One line, so that it is a plain value in a stack file, an environment variable and a build argument.
PublicKey = Annotated[
    str,
    Field(
        pattern=r"^[A-Za-z0-9+/]{100,300}={0,2}$",
        title="public key",
        description="the public half of an elliptic curve key, in one line: what stands between the BEGIN and END of "
        "its PEM, or: openssl ec -in KEY -pubout -outform DER | base64 -w0",
        examples=[
            "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEcboz2vGYIIbBQh4WByBSdpYW"
            "rq6OaLv4tF6P/WsLg2a6QOO4OBu/mh6QHRurQ9KJjl0VYUuOiAqSe5UcLE4R4g=="
        ],
    ),
]

# Of an address outside: a wildcard would take over the hosts of others.
HostName = Annotated[
    str,
    Field(
        pattern=r"^[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?)+$",
        max_length=253,
        title="host name",
        description="a full DNS name in lower case, without scheme, port or wildcard",
        examples=["digits.example.com"],
    ),
]

# Whom a server calls: a name, a Service's name, or an address.
Host = Annotated[
    str,
    Field(
        pattern=r"^(?:[a-z0-9](?:[-a-z0-9]*[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9]*[a-z0-9])?)*|[0-9a-f]*:[0-9a-f:.]+)$",
        max_length=253,
        title="host",
        description="in lower case a DNS name, a Service (name or name.namespace.svc) or an IP address",
        examples=["features.example.com"],
    ),
]

RemotePort = Annotated[
    int,
    Field(
        strict=True,
        ge=1,
        le=65535,
        title="port",
        description="a whole number from 1 to 65535",
        examples=[443],
    ),
]

Cidr = Annotated[
    str,
    Field(
        pattern=r"^[0-9a-f.:]+/[0-9]{1,3}$",
        title="range of addresses",
        description="addresses in CIDR notation without bits beyond the prefix: 10.0.0.0/8, 2001:db8::/32",
        examples=["10.0.0.0/8"],
    ),
    AfterValidator(_network),
]

Weight = Annotated[
    int,
    Field(
        strict=True,
        ge=0,
        le=100,
        title="percentage",
        description="a whole number from 0 to 100: how many of a hundred requests",
        examples=[10],
    ),
]

# The server runs without any capability, so it cannot listen below 1024.
Port = Annotated[
    int,
    Field(
        strict=True,
        ge=1024,
        le=65535,
        title="port",
        description="a whole number from 1024 to 65535",
        examples=[8080],
    ),
]

Replicas = Annotated[
    int,
    Field(
        strict=True,
        ge=1,
        le=1000,
        title="number of replicas",
        description="a whole number from 1 to 1000",
        examples=[2],
    ),
]

# The least that an autoscaler leaves. 0 is for triggers that can start the first pod again; the section checks that.
MinReplicas = Annotated[
    int,
    Field(
        strict=True,
        ge=0,
        le=1000,
        title="number of replicas",
        description="a whole number from 1 to 1000",
        examples=[1],
    ),
]

Percentage = Annotated[
    int,
    Field(
        strict=True,
        ge=1,
        le=100,
        title="percentage",
        description="a whole number from 1 to 100",
        examples=[70],
    ),
]

# "2", or "50%" of the pods that there should be, which Kubernetes rounds up to whole pods.
_PODS = r"^(?:[1-9][0-9]{0,2}|1000|(?:[1-9][0-9]?|100)%)$"
Pods = Annotated[
    str,
    Field(pattern=_PODS),
    BeforeValidator(_number_to_text, json_schema_input_type=int | Annotated[str, Field(pattern=_PODS)]),
    Field(
        title="number of pods",
        description='a whole number from 1 to 1000, or a share of the pods from "1%" to "100%"',
        examples=[1],
    ),
]

Seconds = Annotated[
    int,
    Field(
        strict=True,
        ge=1,
        le=3600,
        title="number of seconds",
        description="a whole number of seconds from 1 to 3600",
        examples=[120],
    ),
]

PolicySeconds = Annotated[
    int,
    Field(
        strict=True,
        ge=1,
        le=1800,
        title="number of seconds",
        description="a whole number of seconds from 1 to 1800",
        examples=[60],
    ),
]

StabilizationSeconds = Annotated[
    int,
    Field(
        strict=True,
        ge=0,
        le=3600,
        title="number of seconds",
        description="a whole number of seconds from 0 to 3600",
        examples=[300],
    ),
]

# Relative, forward slashes, no "." or ".." parts and nothing hidden: the same on every machine.
PROJECT_PATH = r"[A-Za-z0-9_][-A-Za-z0-9_. ]*(?:/[A-Za-z0-9_][-A-Za-z0-9_. ]*)*"
ProjectPath = Annotated[
    str,
    Field(
        pattern=rf"^{PROJECT_PATH}$",
        title="folder of this project",
        description='a path below the project\'s folder with "/" between its parts',
        examples=["model/digits"],
    ),
]

# What can change under its name is pinned by its digest, like an image.
Artifact = Annotated[
    str,
    Field(
        pattern=rf"^(?:{PROJECT_PATH}|hf://[\w.-]+/[\w.-]+@[0-9a-f]{{40}}"
        rf"|(?:(?:s3|gs)://[a-z0-9][-._a-z0-9]{{1,61}}[a-z0-9]/\S+|oci://{_REPOSITORY}"
        r"|mlflow://(?:models/[^\s/:@]+/[1-9][0-9]*|runs/[0-9a-f]{32}/[^\s@]+))@sha256:[0-9a-f]{64})$",
        title="finished model",
        description="a folder of this project, s3:// or gs://bucket/key@sha256:<64 hex digits>, "
        "oci://registry/repository@sha256:<64 hex digits>, mlflow://models/name/version@sha256:<64 hex digits>, "
        "mlflow://runs/id/path@sha256:<64 hex digits> or hf://owner/name@<40 hex digits of a commit>",
        examples=["s3://models/churn/7/@sha256:" + "0123456789abcdef" * 4],
    ),
]

# No part starts with a dot: what is mounted there is where it says, and not hidden.
ContainerPath = Annotated[
    str,
    Field(
        pattern=r"^(?:/[A-Za-z0-9_@][-A-Za-z0-9_.@]*)+$",
        title="folder of the container",
        description='an absolute path like /models/digits, no part of it starting with "." or "-"',
        examples=["/model"],
    ),
]

HttpPath = Annotated[
    str,
    Field(
        pattern=r"^/[!-~]*$",
        title="path of a URL",
        description='the path of a URL, starting with "/", without spaces',
        examples=["/v2/health/ready"],
    ),
]

Argument = Annotated[
    str,
    BeforeValidator(setting_to_text, json_schema_input_type=str | int | bool),
    Field(
        title="argument",
        description="text, a whole number, true or false; put other numbers in quotes",
        examples=["--verbose"],
    ),
]

StackName = Annotated[
    str,
    Field(
        pattern=r"^[A-Za-z0-9][-A-Za-z0-9_.]*/[A-Za-z0-9][-A-Za-z0-9_.]*/[A-Za-z0-9][-A-Za-z0-9_.]*$",
        title="stack",
        description="<organization>/<project>/<stack>; without Pulumi Cloud the organization is organization",
        examples=["organization/model-serving/shared"],
    ),
]

AwsRoleArn = Annotated[
    str,
    Field(
        pattern=r"^arn:aws[-a-z]*:iam::[0-9]{12}:role/[\w+=,.@/-]+$",
        title="ARN of an AWS role",
        description="arn:aws:iam::<12 digits>:role/<name>",
        examples=["arn:aws:iam::123456789012:role/digits"],
    ),
]
