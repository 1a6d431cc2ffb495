import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from components.planning import attestations
from components.planning.attestations import PROVENANCE_TYPE, SBOM_TYPE, SIGNATURE_TYPE, Attachments
from tests.support.building import key_pair

IMAGE = "localhost:5001/models/digits@sha256:" + "0123456789abcdef" * 4


@pytest.mark.parametrize(
    ("plan", "wanted", "programs"),
    [
        (Attachments(), {}, ()),
        (Attachments(sbom=True), {SBOM_TYPE: 1}, ("oras", "syft")),
        (Attachments(provenance=True), {PROVENANCE_TYPE: 1}, ("oras",)),
        (Attachments(public_key="MFkw"), {SIGNATURE_TYPE: 1}, ("cosign",)),
        (Attachments(sbom=True, public_key="MFkw"), {SBOM_TYPE: 1, SIGNATURE_TYPE: 1}, ("syft", "cosign")),
        (
            Attachments(sbom=True, provenance=True, public_key="MFkw", platforms=("linux/amd64", "linux/arm64")),
            {SBOM_TYPE: 2, PROVENANCE_TYPE: 1, SIGNATURE_TYPE: 1},
            ("oras", "syft", "cosign"),
        ),
    ],
)
def test_what_a_plan_wants_and_needs(plan: Attachments, wanted: dict[str, int], programs: tuple[str, ...]) -> None:
    assert plan.wanted() == wanted
    assert plan.programs() == programs
    assert plan.any == bool(wanted)


def test_another_key_or_list_is_another_state() -> None:
    plans = [Attachments(public_key=key, sbom=sbom) for key in ("MFkw", "MFkx") for sbom in (True, False)]
    assert len({json.dumps(plan.told(IMAGE)) for plan in plans}) == 4


def test_a_public_key_is_written_as_programs_read_it() -> None:
    _, public = key_pair()
    assert load_pem_public_key(attestations.pem(public).encode())


def test_nothing_that_is_signed_is_told_to_a_public_log_and_no_key_is_an_argument() -> None:
    for command in (
        attestations.sign_command(IMAGE),
        attestations.attest_command(IMAGE, SBOM_TYPE, Path("bom.json")),
    ):
        assert {"--tlog-upload=false", "--use-signing-config=false"} <= set(command)
        assert [word for word in command if word.startswith("--key")] == ["--key=env://COSIGN_PRIVATE_KEY"]


def test_a_signed_list_of_packages_is_no_signature_of_the_image() -> None:
    def told(*kinds: str) -> str:
        return json.dumps([{"critical": {"type": kind, "image": {}}, "optional": None} for kind in kinds])

    assert attestations.verified(told(SBOM_TYPE, SBOM_TYPE, SIGNATURE_TYPE)) == {SBOM_TYPE: 2, SIGNATURE_TYPE: 1}
    assert attestations.is_signed(told(SBOM_TYPE, SIGNATURE_TYPE))
    assert attestations.is_signed(told("cosign container image signature"))
    assert not attestations.is_signed(told(SBOM_TYPE, PROVENANCE_TYPE))


def test_what_is_attached_without_a_key_is_known_by_its_type() -> None:
    sbom, other = (
        {"reference": f"r@{digest}", "artifactType": kind}
        for digest, kind in (
            ("sha256:1", "application/vnd.cyclonedx+json"),
            ("sha256:2", "application/vnd.dev.sigstore.bundle.v0.3+json"),
        )
    )
    assert attestations.discovered(json.dumps({"referrers": [sbom, other]})) == {SBOM_TYPE: ["r@sha256:1"]}
    assert attestations.discovered(json.dumps({"referrers": None})) == {}


def test_an_unsigned_statement_names_its_image() -> None:
    stated = attestations.statement(IMAGE, PROVENANCE_TYPE, {"a": 1})
    assert stated["subject"] == [{"name": "localhost:5001/models/digits", "digest": {"sha256": "0123456789abcdef" * 4}}]
    assert (stated["predicateType"], stated["predicate"]) == (PROVENANCE_TYPE, {"a": 1})
