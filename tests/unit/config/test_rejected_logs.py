"""What log collection of a stack file may not say, and the line that says so."""

from typing import Any

import pytest

from .conftest import Load
from .test_accepted import SMALLEST
from .test_rejected import BY_DIGEST, EXAMPLE_IMAGE, MEMORY, Mistakes, changed

URL = "https://otlp.example.com:4318"
ENDPOINT = (
    "the address of an OTLP/HTTP receiver or of Loki (http or https) without user, password and query; /v1/logs, for "
    "Loki /otlp/v1/logs, is added to it"
)
KEYS = "target, endpoint, authorization, tenant, folder, maxSize, buffer, image, namespace, resources"


def fix(path: str, value: str) -> str:
    return f"-> pulumi config set --path 'model-serving:{path}' {value} --stack dev"


def out(path: str) -> str:
    return f"-> pulumi config rm --path 'model-serving:{path}' --stack dev"


# What is written in `logs`, and the whole line that answers it.
CASES: dict[str, tuple[Any, str]] = {
    "a target that there is not": (
        {"target": "elasticsearch"},
        'logs.target: "elasticsearch" is not one of the choices; allowed: off, stdout, otlp, loki, file '
        + fix("logs.target", "off"),
    ),
    "a key that there is not": (
        {"target": "otlp", "endpoint": URL, "headers": {}},
        f"logs.headers: unknown key; allowed: {KEYS} " + out("logs.headers"),
    ),
    "nowhere to send to": (
        {"target": "otlp"},
        "logs.endpoint: is required and missing with target otlp " + fix("logs.endpoint", URL),
    ),
    "no Loki": (
        {"target": "loki", "tenant": "vision"},
        "logs.endpoint: is required and missing with target loki " + fix("logs.endpoint", URL),
    ),
    "an endpoint without a scheme": (
        {"target": "otlp", "endpoint": "otlp.example.com:4318"},
        f'logs.endpoint: the value is not an endpoint for logs; allowed: {ENDPOINT} '
        + fix("logs.endpoint", URL),
    ),
    "an endpoint for files": (
        {"target": "file", "endpoint": URL},
        "logs.endpoint: would do nothing with target file; allowed with: otlp, loki " + out("logs.endpoint"),
    ),
    "a tenant of a receiver that knows none": (
        {"target": "otlp", "endpoint": URL, "tenant": "vision"},
        "logs.tenant: would do nothing with target otlp; allowed with: loki " + out("logs.tenant"),
    ),
    "a tenant with a slash": (
        {"target": "loki", "endpoint": URL, "tenant": "a/b"},
        'logs.tenant: "a/b" is not a tenant of Loki; allowed: 1 to 150 letters, digits and any of - ! _ . * \' ( ) '
        + fix("logs.tenant", "vision"),
    ),
    "a folder for a receiver": (
        {"target": "otlp", "endpoint": URL, "folder": "/logs"},
        "logs.folder: would do nothing with target otlp; allowed with: file " + out("logs.folder"),
    ),
    "a folder that is not absolute": (
        {"target": "file", "folder": "logs"},
        'logs.folder: "logs" is not a folder of the container; allowed: an absolute path like /models/digits, no part '
        'of it starting with "." or "-" ' + fix("logs.folder", "/model"),
    ),
    "a limit of files for a receiver": (
        {"target": "otlp", "endpoint": URL, "maxSize": "1Gi"},
        "logs.maxSize: would do nothing with target otlp; allowed with: file " + out("logs.maxSize"),
    ),
    "a buffer for files": (
        {"target": "file", "buffer": "1Gi"},
        "logs.buffer: would do nothing with target file; allowed with: otlp, loki " + out("logs.buffer"),
    ),
    "a buffer without a unit": (
        {"target": "otlp", "endpoint": URL, "buffer": "1000"},
        f'logs.buffer: "1000" is not a quantity; allowed: {MEMORY} ' + fix("logs.buffer", "512Mi"),
    ),
    "an image by tag": (
        {"target": "stdout", "image": "otel/opentelemetry-collector-contrib:latest"},
        'logs.image: "otel/opentelemetry-collector-contrib:latest" is not an image by digest; '
        f"allowed: {BY_DIGEST} " + fix("logs.image", EXAMPLE_IMAGE),
    ),
    "settings of a collector that there is not": (
        {"namespace": "logs"},
        "logs.namespace: would do nothing with target off; allowed with: stdout, otlp, loki, file "
        + out("logs.namespace"),
    ),
    "in the models' namespace": (
        {"target": "stdout", "namespace": "models"},
        "logs.namespace: is the models' namespace, where no pod may read files of its node; allowed: any other "
        "namespace " + fix("logs.namespace", "model-logs"),
    ),
    "a request above the limit": (
        {"target": "stdout", "resources": {"requests": {"memory": "1Gi"}, "limits": {"memory": "512Mi"}}},
        "logs.resources: requests.memory (1Gi) is above limits.memory (512Mi) -> lower the request or raise the limit",
    ),
    "a credential that is none": (
        {"target": "otlp", "endpoint": URL, "authorization": "token"},
        "logs.authorization: the secret token has no value "
        "-> pulumi config set --secret model-serving:token --stack dev",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("logs", "line"), CASES.values(), ids=CASES.keys())
def test_one_mistake_is_told_in_one_line(mistakes: Mistakes, logs: dict[str, Any], line: str) -> None:
    assert mistakes(changed("logs", logs)) == [f"model-serving:{line}"]


def test_a_password_in_the_endpoint_is_not_shown(mistakes: Mistakes) -> None:
    [line] = mistakes(changed("logs", {"target": "otlp", "endpoint": "https://me:canary-1234@otlp.example.com"}))
    assert "canary-1234" not in line


def test_a_credential_in_plain_text(mistakes: Mistakes) -> None:
    logs = {"target": "otlp", "endpoint": URL, "authorization": "token"}
    [line] = mistakes(changed("logs", logs) | {"token": "canary-1234"})
    assert line.startswith("model-serving:logs.authorization: the secret token is stored in plain text")
    assert "canary-1234" not in line


def test_a_namespace_whose_logs_need_a_name(mistakes: Mistakes, load: Load) -> None:
    long = SMALLEST | {"namespace": "n" * 59, "logs": {"target": "stdout"}}
    [line] = mistakes(long)
    assert line.startswith("model-serving:logs.namespace: is required and missing: ")
    assert line.endswith(fix("logs.namespace", "model-logs"))
    assert load(long | {"logs": {"target": "stdout", "namespace": "model-logs"}}).config.logs.on
