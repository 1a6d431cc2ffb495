"""What is attached to an image by a real cosign, syft and oras; docs/supply-chain.md, each of its commands; and images
that a stack refuses because nobody it trusts signed them.
"""

import json
import re
import secrets
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from components.planning.attestations import PROVENANCE_TYPE, SBOM_TYPE
from tests.support import osv
from tests.support.building import key_pair
from tests.support.canaries import Canaries
from tests.support.cluster import LocalCluster, toolchain
from tests.support.documents import commands
from tests.support.registry import Image, contract_of
from tests.support.services import Registry
from tests.support.tampering import with_one_flipped_byte
from tests.support.workspace import ROOT, Workspace

pytestmark = [pytest.mark.integration, pytest.mark.shared]

PAGE = ROOT / "docs" / "supply-chain.md"
NAMESPACE = f"signed-{secrets.token_hex(3)}"
ELSEWHERE = "staging"
PASSWORD = "canary" + secrets.token_hex(12)
INDEX_OF_REFERRERS = "application/vnd.oci.image.index.v1+json"


@pytest.fixture(scope="module")
def workspace(
    local_cluster: LocalCluster, registry: Registry, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Workspace]:
    """The example in a clone of its own, with a key that the page's commands made; not deployed."""
    toolchain("install", "cosign", "oras", "syft", "osv-scanner")
    home = tmp_path_factory.mktemp("signed")
    workspace = Workspace.create(home / "checkout", "dev", local_cluster.env, home / "state")
    workspace.install()
    workspace.extra_env = {"COSIGN_PASSWORD": PASSWORD}
    workspace.pulumi("stack", "init", "dev")
    generate, public_key, key, password = (line for block in commands(PAGE, "## A key") for line in block)
    run(workspace, generate)
    workspace.set_config(
        namespace=NAMESPACE,
        registry={"repository": f"{registry.host}/models"},
        image={"sbom": True, "provenance": True},
        imageSigning={
            "publicKey": run(workspace, public_key),
            "privateKey": "imageKey",
            "password": "imagePassword",
        },
    )
    run(workspace, key)
    run(workspace, password, stdin=PASSWORD)
    # cosign is not to find it by itself.
    workspace.extra_env = {}
    for command in ("init --quiet", "add .", "commit --quiet --message=first"):
        run(workspace, f"git -c user.name=a -c user.email=a@example.com {command}")
    yield workspace
    workspace.pulumi("destroy", "--yes", "--skip-preview", "--stack", "dev", check=False)


@pytest.fixture(scope="module")
def canaries(workspace: Workspace) -> Canaries:
    """The password, and a line of the private key as it is kept."""
    return Canaries(PASSWORD, (workspace.path / "cosign.key").read_text().splitlines()[2])


@pytest.fixture(scope="module")
def image(workspace: Workspace, canaries: Canaries) -> Image:
    """The image that the stack builds, attaches to and deploys, the key watched meanwhile."""
    with canaries.watched_arguments():
        previewed, done = workspace.preview("--diff"), workspace.up("--diff")
    assert not canaries.found_in((previewed.stdout + previewed.stderr + done.stdout + done.stderr).encode())
    assert workspace.outputs()["models"]["digits"]["deployment"]
    return Image(workspace.outputs()["models"]["digits"]["image"])


@pytest.fixture(scope="module")
def elsewhere(workspace: Workspace, image: Image) -> Workspace:
    """Another stack of the checkout, which names an image and trusts the same key. Never deployed."""
    other = Workspace(workspace.path, ELSEWHERE, workspace.env, workspace.backend)
    signing = workspace.read_config()["config"]["model-serving:imageSigning"]
    other.write_config({"config": {"model-serving:cluster": "local"}})
    other.set_config(namespace=f"{NAMESPACE}-{ELSEWHERE}", imageSigning={"publicKey": signing["publicKey"]})
    other.pulumi("stack", "init", ELSEWHERE)
    name(other, image)
    return other


def name(workspace: Workspace, image: Image) -> None:
    workspace.set_config(models={"digits": {"image": image.reference}})


def run(workspace: Workspace, command: str, *, stdin: str | None = None, **variables: str) -> str:
    """What a command of the page printed. Raises AssertionError if it failed."""
    done = subprocess.run(
        ["sh", "-c", command],
        cwd=workspace.path,
        env=workspace.environment | variables,
        input=stdin or "",
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, f"{command}: {done.stdout}\n{done.stderr}"
    return done.stdout


def tags(image_base: str) -> list[str]:
    return sorted(httpx.get(f"{image_base}/tags/list").raise_for_status().json()["tags"])


def referrers(image: Image) -> dict[str, str]:
    """Types of what is attached, by digest, as the tag lists it that stands in for the registry's interface."""
    tag = image.digest.replace(":", "-")
    answer = httpx.get(f"{image.base}/manifests/{tag}", headers={"Accept": INDEX_OF_REFERRERS}).raise_for_status()
    return {entry["digest"]: entry["artifactType"] for entry in answer.json()["manifests"]}


def refused(workspace: Workspace, command: str = "up") -> str:
    """What a command said that was refused, and changed nothing."""
    done = workspace.up(check=False) if command == "up" else workspace.preview(check=False)
    assert done.returncode != 0
    assert "nothing was changed" in done.stdout
    assert "Namespace" not in done.stdout
    return done.stdout


def test_keys_of_two_pairs_sign_nothing_and_deploy_nothing(
    workspace: Workspace, registry: Registry, local_cluster: LocalCluster
) -> None:
    signing = workspace.read_config()["config"]["model-serving:imageSigning"]
    workspace.set_config(imageSigning=signing | {"publicKey": key_pair()[1]})
    failed = workspace.up(check=False)
    workspace.set_config(imageSigning=signing)
    assert failed.returncode != 0
    assert "imageSigning.privateKey: is not the other half of imageSigning.publicKey" in failed.stdout
    assert tags(f"http://{registry.host}/v2/models/digits") == ["dev"]
    assert f"namespace/{NAMESPACE}\n" not in local_cluster.kubectl("get", "namespaces", "-oname", namespace="default")


def test_the_list_of_packages(workspace: Workspace, image: Image) -> None:
    command = commands(PAGE, "## Look at it")[0][0]
    listed = json.loads(run(workspace, command))
    assert listed["metadata"]["component"]["version"] == image.digest
    packages = {
        re.split(r"[@?]", entry["purl"])[0]: entry["version"] for entry in listed["components"] if "purl" in entry
    }
    pinned = (ROOT / "model/server/requirements.txt").read_text()
    for package in ("onnxruntime", "granian", "numpy"):
        assert f"\n{package}=={packages[f'pkg:pypi/{package}']} " in f"\n{pinned}"
    assert {"pkg:deb/debian/libc6", "pkg:deb/debian/python3-minimal"} <= packages.keys()


def test_a_scan_reads_that_list(workspace: Workspace, image: Image, tmp_path: Path) -> None:
    records = [osv.record("TEST-1", "numpy", "99.0"), osv.record("TEST-2", "openssl", "99.0", ecosystem="Debian:12")]
    database = osv.database(tmp_path, osv.PYYAML, osv.OPENSSL, *records)
    done = subprocess.run(
        ["make", "scan", "STACK=dev", "MODEL=digits", f"DATABASE={database}"],
        cwd=workspace.path,
        env=workspace.environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode != 0
    assert f"digits: {image.reference}, by the SBOM attached to it\n" in done.stdout, done.stderr
    numpy = re.search(r"^numpy==(\S+)", (ROOT / "model/server/requirements.txt").read_text(), re.MULTILINE)
    assert numpy
    assert f"numpy {numpy[1]}: TEST-1, fixed in 99.0\n" in done.stdout
    # Of openssl the image has the library, which Debian's advisories know as openssl.
    assert re.search(r"^openssl \S+: TEST-2, fixed in 99\.0$", done.stdout, re.MULTILINE)
    assert ": 2 findings, 0 more without a fix\n" in done.stdout


def test_the_provenance(workspace: Workspace, image: Image, local_cluster: LocalCluster) -> None:
    told = json.loads(run(workspace, commands(PAGE, "## Look at it")[0][1]))
    definition, details = told["buildDefinition"], told["runDetails"]
    assert definition["externalParameters"] == {"model": "digits", "buildArgs": {"FRAMEWORK": "keras"}}
    source, context, *bases = definition["resolvedDependencies"]
    assert source["digest"] == {"gitCommit": run(workspace, "git rev-parse HEAD").strip()}
    assert source["annotations"] == {"dirty": False}
    [hash_by_hand] = commands(PAGE, "## What provenance says")[0]
    assert context["digest"] == {"dirHash": run(workspace, hash_by_hand).split()[0]}
    # What the builder remembers: where the base image is a local mirror's, its digest is known.
    base = next(entry for entry in bases if entry["uri"].startswith("pkg:docker/debian@bookworm-slim"))
    accept = {"Accept": "application/vnd.oci.image.manifest.v1+json"}
    url = f"http://{local_cluster.registry}/v2/library/debian/manifests/bookworm-slim"
    mirrored = httpx.head(url, headers=accept).headers.get("Docker-Content-Digest")
    assert re.fullmatch(r"[0-9a-f]{64}", base["digest"]["sha256"])
    assert mirrored in (None, f"sha256:{base['digest']['sha256']}")
    # In whole seconds: a build whose every step is cached ends in the second in which it began.
    assert details["metadata"]["startedOn"] <= details["metadata"]["finishedOn"]
    contract = contract_of(image)
    assert definition["internalParameters"]["framework"] == contract["framework"]
    assert {entry["name"].removeprefix("model/"): entry["digest"]["sha256"] for entry in details["byproducts"]} == (
        contract["files"]
    )


def test_the_commands_by_hand(workspace: Workspace, image: Image) -> None:
    tree, verify, sbom, provenance, discover = commands(PAGE, "## Look at it")[1]
    by_hand = {command: run(workspace, command, IMAGE=image.reference) for command in (tree, verify, discover)}
    assert image.digest in by_hand[verify]
    assert all(digest in by_hand[discover] for digest in referrers(image))
    assert json.loads(run(workspace, sbom, IMAGE=image.reference))["bomFormat"] == "CycloneDX"
    assert "buildDefinition" in json.loads(run(workspace, provenance, IMAGE=image.reference))


def test_what_is_there_is_left_alone(workspace: Workspace, image: Image) -> None:
    before = referrers(image)
    assert len(before) == 3
    workspace.preview("--expect-no-changes")
    workspace.up("--replace", "**::digits-attachments")
    assert referrers(image) == before


class TestRefused:
    """Nothing of an image that is not signed by whom the stack trusts is deployed; a preview says so, too."""

    @pytest.fixture(autouse=True)
    def nothing_is_deployed(self, elsewhere: Workspace, image: Image, local_cluster: LocalCluster) -> Iterator[None]:
        yield
        name(elsewhere, image)
        namespaces = local_cluster.kubectl("get", "namespaces", "-oname", namespace="default")
        assert f"namespace/{NAMESPACE}-{ELSEWHERE}\n" not in namespaces

    @pytest.mark.parametrize("command", ["preview", "up"])
    def test_an_unsigned_image(self, elsewhere: Workspace, image: Image, command: str) -> None:
        unsigned = image.with_settings(Labels={"nobody": "signed"})
        name(elsewhere, unsigned)
        said = refused(elsewhere, command)
        assert f"model-serving:models.digits.image: {unsigned.reference} has no signature" in said
        sign = f"cosign sign --yes --key=cosign.key --use-signing-config=false --tlog-upload=false {unsigned.reference}"
        assert sign in said

    def test_an_image_that_another_key_signed(self, elsewhere: Workspace) -> None:
        trusted = elsewhere.read_config()["config"]["model-serving:imageSigning"]
        elsewhere.set_config(imageSigning={"publicKey": key_pair()[1]})
        said = refused(elsewhere)
        elsewhere.set_config(imageSigning=trusted)
        assert "is signed with another key than imageSigning.publicKey" in said

    def test_a_changed_image_under_the_signature_of_the_good_one(self, elsewhere: Workspace, image: Image) -> None:
        changed = with_one_flipped_byte(image)
        headers = {"Accept": INDEX_OF_REFERRERS}
        tag, other = (which.digest.replace(":", "-") for which in (image, changed))
        listed = httpx.get(f"{image.base}/manifests/{tag}", headers=headers).raise_for_status().content
        url = f"{image.base}/manifests/{other}"
        httpx.put(url, content=listed, headers={"Content-Type": INDEX_OF_REFERRERS}).raise_for_status()
        name(elsewhere, changed)
        assert "was changed since (no matching attestations" in refused(elsewhere)

    def test_a_registry_that_does_not_answer(self, elsewhere: Workspace, registry: Registry) -> None:
        registry.kill()
        try:
            previewed = elsewhere.preview()
            said = refused(elsewhere)
        finally:
            registry.start()
        assert "an update would not deploy it" in previewed.stdout
        assert "its registry does not say whether it is signed" in said


def test_a_signed_image_is_deployed_from_a_copy_of_the_repository(
    elsewhere: Workspace, image: Image, registry: Registry
) -> None:
    assert "models.digits.image" not in elsewhere.preview().stdout
    copy = f"{registry.host}/copied/digits"
    [[command]] = commands(PAGE, "## Promote and copy")
    run(elsewhere, command, IMAGE=image.reference, COPY=f"{copy}:1")
    name(elsewhere, Image(f"{copy}@{image.digest}"))
    assert "models.digits.image" not in elsewhere.preview().stdout


def test_without_a_key_files_are_attached(workspace: Workspace, image: Image) -> None:
    signing = workspace.read_config()["config"]["model-serving:imageSigning"]
    workspace.set_config(imageSigning=None)
    before = referrers(image)
    # The secrets of the key would be told as nobody's.
    hidden = {key: workspace.read_config()["config"][f"model-serving:{key}"] for key in ("imageKey", "imagePassword")}
    workspace.set_config(**dict.fromkeys(hidden))
    try:
        workspace.up()
        added = sorted(kind for digest, kind in referrers(image).items() if digest not in before)
        assert added == ["application/vnd.cyclonedx+json", "application/vnd.in-toto+json"]
        sbom, provenance = (json.loads(run(workspace, command)) for command in commands(PAGE, "## Look at it")[0])
        assert (sbom["bomFormat"], "buildDefinition" in provenance) == ("CycloneDX", True)
    finally:
        workspace.set_config(**hidden, imageSigning=signing)


def test_no_state_file_or_layer_holds_the_key(
    workspace: Workspace, image: Image, registry: Registry, canaries: Canaries
) -> None:
    exported = workspace.pulumi("stack", "export", "--stack", "dev").stdout
    assert SBOM_TYPE in exported
    assert PROVENANCE_TYPE in exported
    assert not canaries.found_in(exported.encode())
    assert canaries.files_below(workspace.backend) == []
    assert canaries.files_below(workspace.path) == [str(workspace.path / "cosign.key")]
    assert canaries.files_below(registry.storage) == []
