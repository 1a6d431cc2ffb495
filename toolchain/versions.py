"""Every version that the toolchain installs, in one place.

Parts that are built from Go modules are pinned a second time, with hashes, by ``modules/<name>/go.mod`` and ``go.sum``;
a test keeps both in step. Python packages are pinned by the requirements files.
"""

PULUMI = "3.259.0"
DOCKER_BUILD_PLUGIN = "0.0.22"
KUBERNETES_PLUGIN = "4.34.2"
DOCKER_PLUGIN = "5.2.0"

KUBERNETES = "1.34.4"
ETCD = "3.6.6"
COREDNS = "1.12.4"
KIND = "0.30.0"
HELM = "3.22.0"

# What is attached to images, and who signed them.
COSIGN = "3.1.3"
SYFT = "1.18.1"
ORAS = "1.3.0"

# Read the workflows of continuous integration.
ACTIONLINT = "1.7.12"

# Holds lists of packages against advisories.
OSV_SCANNER = "2.5.0"

# Add-ons of the local cluster.
METRICS_SERVER = "0.8.0"
KWOK = "0.7.0"
KARPENTER = "1.8.0"
PROMETHEUS_OPERATOR = "0.85.0"
PROMETHEUS = "2.53.3"
ALERTMANAGER = "0.28.1"
NODE_EXPORTER = "1.9.0"
KUBE_STATE_METRICS = "2.15.0"
PROMETHEUS_ADAPTER = "0.12.0"
# As components/planning/logs.py names the image.
LOG_COLLECTOR = "0.142.0"
# The suite of Debian that has these versions of Prometheus, Alertmanager and node exporter.
MONITORING_SUITE = "trixie"

# Docker Engine of DEBIAN_SUITE, and Docker Compose of COMPOSE_SUITE, for who has none.
DOCKER = "20.10.24"
COMPOSE = "2.26.1"
COMPOSE_SUITE = "trixie"

BUILDKIT = "0.31.0"
BUILDX = "0.35.0"
REGISTRY = "3.0.0"

# The base image of model images: a suite of Debian and the tag it gets.
DEBIAN_SUITE = "bookworm"
BASE_IMAGE = "library/debian:bookworm-slim"

# Oldest Go that builds the modules, and the oldest that can fetch such a Go by itself.
GO = "1.26.0"
GO_WITH_TOOLCHAINS = "1.21.0"
