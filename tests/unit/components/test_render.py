"""What a stack's manifests are, without an engine, a cluster or a secret's value."""

import hashlib
import json
import subprocess
import sys
from typing import Any

import pytest
from pulumi.runtime import MockResourceArgs

from components import render
from components.planning import charts

from .recording import DIGEST, ROOT, STACK

IMAGE = f"localhost:5001/models/digits@{DIGEST}"

REQUEST = render.Request(stack="dev", project="p", config={}, secrets=["a:token"], images={}, stacks={})


def run(*secrets: str, **sections: Any) -> subprocess.CompletedProcess[str]:
    config = STACK | sections
    request = {
        "stack": "dev",
        "project": "model-serving",
        "config": {f"model-serving:{k}": v if isinstance(v, str) else json.dumps(v) for k, v in config.items()},
        "secrets": [f"model-serving:{key}" for key in secrets],
        "images": {"digits": IMAGE},
        "stacks": {"org/shared": {"nodePools": {}}},
    }
    command = [sys.executable, "-m", "components.render"]
    return subprocess.run(command, cwd=ROOT, input=json.dumps(request), capture_output=True, text=True)


def rendered(*secrets: str, **sections: Any) -> dict[str, Any]:
    done = run(*secrets, **sections)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def one(rendering: dict[str, Any], kind: str) -> dict[str, Any]:
    [found] = [entry for entry in rendering["objects"] if entry["kind"] == kind]
    return found


def digits(**keys: Any) -> dict[str, Any]:
    return {"digits": STACK["models"]["digits"] | keys}


def test_the_image_is_the_one_that_was_built_and_names_are_the_same_each_time() -> None:
    first = rendered()
    assert one(first, "Deployment")["spec"]["template"]["spec"]["containers"][0]["image"] == IMAGE
    assert rendered() == first


def test_other_settings_are_another_name_that_the_pods_refer_to() -> None:
    names = set()
    for level in ("info", "debug"):
        rendering = rendered(models=digits(env={"LOG_LEVEL": level}))
        name = one(rendering, "ConfigMap")["metadata"]["name"]
        assert name in json.dumps(one(rendering, "Deployment"))
        names.add(name)
    assert len(names) == 2


def test_a_secret_has_keys_and_no_values() -> None:
    pull = STACK["registry"] | {"pullSecret": {"config": "login"}}
    rendering = rendered("apiToken", "login", models=digits(secrets=["apiToken"]), registry=pull)
    assert rendering["keys"] == {
        "models/digits-secrets": ["apiToken"],
        "models/models-registry-login": [".dockerconfigjson"],
    }
    secrets = [entry for entry in rendering["objects"] if entry["kind"] == "Secret"]
    assert all(not {"data", "stringData", "immutable"} & entry.keys() for entry in secrets)
    pod = json.dumps(one(rendering, "Deployment"))
    assert "digits-secrets" in pod
    assert "models-registry-login" in pod
    assert "the value of" not in json.dumps(rendering)


def test_a_secret_value_in_the_open_is_refused() -> None:
    engine = render._Engine(REQUEST)
    inputs = {"apiVersion": "v1", "kind": "ConfigMap", "data": {"T": f"Bearer {render._marker('a:token')}"}}
    engine.new_resource(MockResourceArgs("kubernetes:core/v1:ConfigMap", "c", inputs, custom=True))
    with pytest.raises(render.NotRenderable, match="ConfigMap /c would hold the value of the secret a:token"):
        engine.finish()


def test_what_is_in_the_cluster_already_is_nobodys_to_adopt() -> None:
    done = run(models=digits(service={"name": "api", "adopt": True}))
    assert done.returncode == 1
    assert done.stderr.startswith("error: models.digits.service.name is read in the cluster"), done.stderr


def test_the_image_of_a_renamed_model_is_that_of_its_first_name() -> None:
    rendering = rendered(models={"numbers": STACK["models"]["digits"] | {"renamedFrom": "digits"}})
    assert one(rendering, "Deployment")["metadata"]["name"] == "digits-server"
    assert one(rendering, "Deployment")["spec"]["template"]["spec"]["containers"][0]["image"] == IMAGE


def test_the_number_of_replicas_is_left_to_who_scales() -> None:
    other = {"other": {"image": IMAGE, "replicas": 2}}
    rendering = rendered(models=digits(replicas={"min": 2, "max": 4}) | other)
    specs = {
        entry["metadata"]["name"]: entry["spec"] for entry in rendering["objects"] if entry["kind"] == "Deployment"
    }
    assert "replicas" not in specs["digits-server"]
    assert specs["other-server"]["replicas"] == 2
    assert one(rendering, "HorizontalPodAutoscaler")["spec"]["minReplicas"] == 2
    assert "pulumi.com" not in json.dumps(rendering)


def test_a_chart_is_named_with_its_values() -> None:
    pool = {"provider": "existing", "nodeSelector": {"pool": "gpus"}, "gpu": {"type": "t4"}}
    content = b"what a chart's archive holds is Helm's business"
    digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
    archive = ROOT / charts.archive(digest)
    archive.parent.mkdir(parents=True, exist_ok=True)
    archive.write_bytes(content)
    try:
        support = {"install": "device-plugin", "digest": digest}
        [chart] = rendered(nodePools={"gpus": pool}, gpuSupport=support)["charts"]
    finally:
        archive.unlink()
    assert (chart["name"], chart["namespace"]) == ("nvidia-device-plugin", "nvidia")
    assert chart["chart"] == charts.archive(digest).as_posix()
    assert chart["values"]["tolerations"]


def test_what_is_no_object_is_told() -> None:
    engine = render._Engine(REQUEST)
    engine.new_resource(MockResourceArgs("gcp:container/nodePool:NodePool", "l4-pool", {}, custom=True))
    assert engine.rendering.others == ["gcp:container/nodePool:NodePool l4-pool"]


def test_a_mistake_of_the_stack_file_is_told_as_a_preview_tells_it() -> None:
    done = run(namespace="Not A Name")
    assert done.returncode == 32
    assert "model-serving:namespace:" in done.stderr
    assert "Traceback" not in done.stderr
    assert not done.stdout
