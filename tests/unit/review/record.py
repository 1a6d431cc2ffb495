"""Records the previews that the tests of the pull request's comment read, from the real engine and a real cluster.

    python -m tests.unit.review.record IRIS_DIGEST OTHER_IRIS_DIGEST
    python -m tests.unit.review.record      # only the comments that are expected, from the recordings there are

The two are digests of images of the example model `iris` in the local registry. Everything is made in a namespace and a
temporary workspace of its own, and removed again. What nobody reads is left out of the recordings: messages that debug,
summaries of policies that found nothing, and the outputs of resources. Nothing else is changed in them.
"""

import json
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from tests.support.cluster import local_cluster
from tests.support.workspace import Workspace
from toolchain.review.comment import comment
from toolchain.review.preview import read

STACK = "recorded"
TOKEN, NEXT_TOKEN = "canary-of-the-token", "canary-of-the-next-token"
# What a person who wants to be seen would write into a stack file.
MARKDOWN = "<b>@everyone</b> [click](https://example.com) `|` <!-- --> ![](x)"
RECORDED = Path(__file__).parent / "recorded"
EXPECTED = Path(__file__).parent / "expected"
# What Git says beside each recording.
FILES = {"digits": ["model/digits/train.py"]}
_LEFT_OUT = ("policyLoadEvent", "policyAnalyzeSummaryEvent", "policyRemediateSummaryEvent")


def record(workspace: Workspace, name: str, *, kubeconfig: str = "", stack: str = STACK) -> None:
    """One preview, as lines of engine events."""
    workspace.extra_env = {"PULUMI_ENABLE_STREAMING_JSON_PREVIEW": "true"}
    if kubeconfig:
        workspace.extra_env["KUBECONFIG"] = kubeconfig
    options = ["--policy-pack", "policy"]
    if (workspace.path / "policy" / "settings.json").exists():
        options += ["--policy-pack-config", "policy/settings.json"]
    printed = workspace.pulumi("preview", "--json", "--stack", stack, *options, check=False).stdout
    workspace.extra_env = {}
    lines = [json.dumps(_slim(event)) for line in printed.splitlines() if _kept(event := json.loads(line))]
    (RECORDED / f"{name}.jsonl").write_text("\n".join(lines) + "\n")
    print(name, len(lines), "events", flush=True)


def _kept(event: dict[str, Any]) -> bool:
    if event.get("diagnosticEvent", {}).get("severity") == "debug":
        return False
    if "resOutputsEvent" in event and event["resOutputsEvent"]["metadata"]["type"] != "pulumi:pulumi:Stack":
        return False
    return not any(kind in event for kind in _LEFT_OUT)


def _slim(event: dict[str, Any]) -> dict[str, Any]:
    step = event.get("resourcePreEvent", {}).get("metadata", {})
    for side in ("old", "new"):
        if step.get(side):
            step[side]["outputs"] = {}
    return event


def main(iris: str, other_iris: str) -> None:
    RECORDED.mkdir(exist_ok=True)
    with local_cluster() as cluster, tempfile.TemporaryDirectory() as home:
        workspace = Workspace.create(Path(home) / "checkout", STACK, cluster.env, Path(home) / "state")
        (workspace.path / "Pulumi.dev.yaml").rename(workspace.config_file)
        workspace.pulumi("install")
        workspace.pulumi("install", "--cwd", "policy")
        workspace.pulumi("stack", "init", STACK)
        _play(workspace, f"{cluster.registry}/models/iris@", iris, other_iris)


def _play(workspace: Workspace, repository: str, iris: str, other_iris: str) -> None:
    models: dict[str, Any] = {
        "digits": {
            "source": {"framework": "keras", "path": "model/digits"},
            "secrets": ["apiToken"],
            "env": {"TEAM": "vision"},
            "nodePool": "fast",
        },
        "iris": {"image": repository + iris},
    }
    pool = {"provider": "existing", "nodeSelector": {"kubernetes.io/os": "linux"}, "maxNodes": 3}
    settled = {
        "namespace": "review-recorded",
        "models": models,
        "nodePools": {"fast": pool},
        "prices": {"currency": "USD", "date": "2026-11-01", "perHour": {"fast": 0.8}},
    }
    workspace.set_config(**settled)
    workspace.pulumi("config", "set", "--secret", "apiToken", TOKEN, "--stack", STACK)
    record(workspace, "first")
    try:
        workspace.up()
        _play_changes(workspace, models, settled, repository + other_iris)
    finally:
        workspace.set_config(**settled)
        workspace.pulumi("destroy", "--yes", "--skip-preview", "--stack", STACK, check=False)


def _play_changes(workspace: Workspace, models: dict[str, Any], settled: dict[str, Any], other_iris: str) -> None:
    record(workspace, "unchanged")

    larger = models["digits"] | {"replicas": 2, "resources": {"requests": {"cpu": "500m"}}}
    workspace.set_config(models=models | {"digits": larger, "iris": {"image": other_iris}})
    record(workspace, "promoted-and-scaled")

    workspace.set_config(models={"digits": models["digits"] | {"env": {"TEAM": "vision", "LOG_LEVEL": "debug"}}})
    workspace.pulumi("config", "set", "--secret", "apiToken", NEXT_TOKEN, "--stack", STACK)
    record(workspace, "removed-and-replaced")
    workspace.pulumi("config", "set", "--secret", "apiToken", TOKEN, "--stack", STACK)

    workspace.set_config(models=models)
    train = workspace.path / "model" / "digits" / "train.py"
    before = train.read_text()
    train.write_text(f"{before}\n# One more line.\n")
    record(workspace, "code")
    train.write_text(before)

    workspace.set_config(namespace="review-elsewhere", protect=True)
    record(workspace, "moved")
    workspace.set_config(namespace=settled["namespace"], protect=None)

    rules = {
        "image-from-allowed-registry": {"registries": ["registry.acme.example"]},
        "available": {"enforcementLevel": "advisory", "replicas": 2},
    }
    settings = workspace.path / "policy" / "settings.json"
    settings.write_text(json.dumps(rules))
    record(workspace, "against-policies")
    settings.unlink()

    wrong = {"replicas": MARKDOWN, "nodePool": "none", "source": models["digits"]["source"]}
    workspace.set_config(models=models | {"digits": wrong})
    record(workspace, "mistakes")
    workspace.set_config(models=models)

    away = shutil.copy(workspace.environment["KUBECONFIG"], workspace.path / ".away")
    text = Path(away).read_text()
    server = next(line for line in text.splitlines() if "server:" in line)
    Path(away).write_text(text.replace(server, f"{server.partition('server:')[0]}server: https://127.0.0.1:9"))
    workspace.set_config(models=models | {"iris": {"image": other_iris}})
    record(workspace, "unreachable", kubeconfig=str(away))


def write_expected() -> None:
    """The comments of all recordings. Read them before they are committed."""
    EXPECTED.mkdir(exist_ok=True)
    for file in sorted(RECORDED.glob("*.jsonl")):
        body = comment(read(file.read_text()), STACK, files=FILES)
        (EXPECTED / f"{file.stem}.md").write_text(body)


if __name__ == "__main__":
    if sys.argv[1:]:
        main(*sys.argv[1:])
    write_expected()
