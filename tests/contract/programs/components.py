"""Components whose children the plugin registers; `step` is a stack config value."""

import json
import os
from pathlib import Path
from typing import Any

import pulumi
import pulumi_kubernetes as k8s
from pulumi_kubernetes.helm.v4 import Chart
from pulumi_kubernetes.yaml.v2 import ConfigFile, ConfigGroup

config = pulumi.Config()
step = config.require("step")
places: dict[str, Any] = json.loads(config.get("places") or "{}")
changed = step == "changed"
provider = k8s.Provider("k", cluster_identifier="probe", kubeconfig=Path(os.environ["KUBECONFIG"]).read_text())
options = pulumi.ResourceOptions(provider=provider)


def given(**more: Any) -> pulumi.ResourceOptions:
    return pulumi.ResourceOptions.merge(options, pulumi.ResourceOptions(**more))


def config_map(name: str, **more: Any) -> Any:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, **more}}


if step in ("yaml", "changed"):
    home = k8s.core.v1.Namespace("components", opts=options)
    namespace = home.metadata["name"]
    file = ConfigFile("file", file="manifests/first.yaml", opts=options)
    pulumi.export("kinds", file.resources.apply(lambda found: sorted(type(one).__name__ for one in found or [])))
    # A Service without endpoints is never ready: this one is not waited for.
    service: Any = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "lonely", "namespace": namespace}}
    service["spec"] = {"selector": {"app": "nobody"}, "ports": [{"port": 80}]}
    ConfigGroup("lonely", objs=[service], skip_await=True, resource_prefix="x", opts=options)
    first = config_map("first", namespace=namespace)
    reference = pulumi.Output.format("/namespaces/{0}/ConfigMap/first", namespace)
    second = config_map("second", namespace=namespace, annotations={"config.kubernetes.io/depends-on": reference})
    second["data"] = {"token": pulumi.Output.secret("canary-object"), "mode": "b" if changed else "a"}
    ConfigGroup(
        "group",
        files=["manifests/s*.yaml"],
        yaml=json.dumps(config_map("text", namespace="default")),
        objs=[second, first],
        opts=given(depends_on=[file]),
    )
    # What a preview of the first update cannot know.
    late = {**config_map("late", namespace="default"), "data": {"phase": home.status.phase}}
    ConfigGroup("late", objs=[late], opts=options)

if step in ("chart", "chart-changed"):
    values = {
        "mode": "changed" if step == "chart-changed" else "given",
        "password": pulumi.Output.secret("canary-value"),
        "colours": {"second": None},
        "keep": True,
    }
    files = [pulumi.StringAsset("mode: file\ncolours: {third: blue}\n")]
    local = Chart("local", chart="./shop", values=values, value_yaml_files=files, opts=options)
    after = given(depends_on=[local])  # which brings the definition
    Chart("oci", chart=places["oci"], version="0.2.0", skip_crds=True, plain_http=True, opts=after)
    Chart(
        "repository",
        name="named",
        namespace="kube-public",
        chart="shop",
        repository_opts={
            "repo": places["repository"],
            "username": "buyer",
            "password": pulumi.Output.secret("canary-password"),
        },
        post_renderer={"command": "sed", "args": ['s/mode: "default"/mode: rendered/']},
        skip_crds=True,
        opts=after,
    )

if step == "dependent-chart":
    Chart("mall", chart="./mall", opts=options)

# Each of these fails, and says why.
faults: dict[str, Any] = {
    "no-file": lambda: ConfigFile("file", file="manifests/none.yaml", opts=options),
    "no-yaml": lambda: ConfigGroup("group", yaml="a: 1\nb: ]", opts=options),
    "no-kind": lambda: ConfigGroup("group", yaml="apiVersion: v1\nmetadata: {name: a}", opts=options),
    "no-name": lambda: ConfigGroup("group", objs=[{"apiVersion": "v1", "kind": "ConfigMap"}], opts=options),
    "no-chart": lambda: Chart("local", chart="./none", opts=options),
    "broken-chart": lambda: Chart(
        "local", chart="./shop", values={"broken": True, "password": pulumi.Output.secret("canary-value")}, opts=options
    ),
    "bad-child": lambda: ConfigGroup(
        "group",
        objs=[
            {
                "apiVersion": "v1",
                "kind": "Service",
                "metadata": {"name": "bad", "namespace": "default"},
                "spec": {"ports": [{"port": 99999999}]},
            }
        ],
        opts=options,
    ),
}
if step in faults:
    faults[step]()
