"""What is printed of what is attached to a running image, and what is said where there is nothing."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from tests.unit.toolchain.conftest import Program
from toolchain import attestations, engine
from toolchain.errors import ToolchainError
from toolchain.stack import Stack

IMAGE = "registry.example.com/models/digits@sha256:" + "1" * 64
SBOM = {"bomFormat": "CycloneDX"}
# Not local: what is missing is for the user to install.
STACK = Stack("prod", "shop", Path("/nowhere"), {"cluster": "prod"}, None)
TRUSTING = Stack("prod", "shop", Path("/nowhere"), {"cluster": "prod", "imageSigning": {"publicKey": "MFkw"}}, None)


@pytest.fixture(autouse=True)
def deployed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "exists", lambda stack: True)
    monkeypatch.setattr(engine, "outputs", lambda stack: {"models": {"digits": {"image": IMAGE}}})


def envelope(statement: Any) -> str:
    return json.dumps({"payload": base64.b64encode(json.dumps(statement).encode()).decode()})


def test_what_the_stacks_key_signed_is_printed(program: Program, capsys: pytest.CaptureFixture[str]) -> None:
    program("cosign", f"echo '{envelope({'predicate': SBOM})}'")
    attestations.show("sbom", TRUSTING, "digits")
    printed = capsys.readouterr()
    assert json.loads(printed.out) == SBOM
    assert "not signed" not in printed.err


def test_what_it_did_not_sign_is_not(program: Program) -> None:
    program("cosign", 'echo "WARNING: w" >&2; echo "Error: no matching attestations: none" >&2; exit 1')
    with pytest.raises(ToolchainError, match="provenance of digits: no matching attestations: none"):
        attestations.show("provenance", TRUSTING, "digits")


ORAS = """\
case "$1$2" in
discover*) echo '{{"referrers": [{{"reference": "r@sha256:2", "artifactType": "{kind}"}}]}}' ;;
manifestfetch) echo '{{"layers": [{{"digest": "sha256:3"}}]}}' ;;
blobfetch) echo '{document}' ;;
esac
"""


@pytest.mark.parametrize(
    ("kind", "media", "document"),
    [
        ("sbom", "application/vnd.cyclonedx+json", SBOM),
        (
            "provenance",
            "application/vnd.in-toto+json",
            {"predicateType": "https://slsa.dev/provenance/v1", "predicate": SBOM},
        ),
    ],
)
def test_what_nobody_signed_is_printed_with_a_warning(
    program: Program, capsys: pytest.CaptureFixture[str], kind: str, media: str, document: Any
) -> None:
    program("oras", ORAS.format(kind=media, document=json.dumps(document)))
    attestations.show(kind, STACK, "digits")
    printed = capsys.readouterr()
    assert json.loads(printed.out) == SBOM
    assert f"this {kind} is not signed" in printed.err


def test_an_image_without_any_is_told_how_to_have_one(program: Program) -> None:
    program("oras", """echo '{"referrers": []}'""")
    with pytest.raises(ToolchainError) as refused:
        attestations.show("sbom", STACK, "digits")
    assert refused.value.why == "its image has none"
    assert "pulumi config set --path model-serving:image.sbom true" in refused.value.todo


def test_a_model_that_is_not_deployed() -> None:
    with pytest.raises(ToolchainError, match="its models: digits"):
        attestations.show("sbom", STACK, "digit")


def test_a_missing_program_is_the_users_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ToolchainError) as refused:
        attestations.show("sbom", STACK, "digits")
    assert refused.value.why == "oras is not on PATH"
    assert refused.value.todo.startswith("To have it, install oras: https://")


def test_a_list_of_any_image_is_made_now(program: Program) -> None:
    program(
        "syft", 'for word; do case "$word" in --output=*) echo "{}" > "${word#--output=cyclonedx-json=}";; esac; done'
    )
    assert attestations.make_sbom(IMAGE, STACK) == {}
    program("syft", 'echo "could not fetch: unauthorized" >&2; exit 1')
    with pytest.raises(ToolchainError, match=f"list the packages of {IMAGE}: could not fetch: unauthorized"):
        attestations.make_sbom(IMAGE, STACK)
