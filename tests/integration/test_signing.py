"""A model signed by its build with model-signing, and a server that verifies it with the public key."""

import io
import json
import tarfile
from pathlib import Path

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from tests.support.building import build_model, key_pair
from tests.support.cluster import LocalCluster
from tests.unit.server.running import serving, start

pytestmark = [pytest.mark.integration, pytest.mark.shared]

CURVES = {"P-256": ec.SECP256R1(), "P-384": ec.SECP384R1()}


@pytest.mark.parametrize("curve", CURVES)
def test_what_the_build_signs_the_server_verifies(curve: str, local_cluster: LocalCluster, tmp_path: Path) -> None:
    private, public = key_pair(CURVES[curve])
    arguments = {"SIGNING": "key", "SIGNING_PUBLIC_KEY": public}
    # The stage that sees the key, as an archive: written as thousands of files, buildx's client may stop for ever.
    for target, kind, out in (("model", "local", "model"), ("signature", "tar", "stage.tar")):
        done = build_model(
            Path("model/iris"),
            "onnx",
            tmp_path / out,
            local_cluster.env,
            arguments=arguments,
            secrets={"signing_key": private},
            target=target,
            kind=kind,
        )
        assert done.returncode == 0, done.stdout
        assert "PRIVATE KEY" not in done.stdout
    stage = (tmp_path / "stage.tar").read_bytes()
    assert private.splitlines()[2].encode() not in stage
    signature = tmp_path / "model.sig"
    with tarfile.open(fileobj=io.BytesIO(stage)) as archive:
        signed = archive.extractfile("signature/model.sig")
        assert signed
        signature.write_bytes(signed.read())

    environment = {"SIGNATURE_PUBLIC_KEY": public, "MODEL_SIGNATURE": str(signature)}
    with serving(tmp_path / "model", tmp_path / "scratch", **environment) as server:
        assert httpx.get(f"{server.url}/v2/models/linear").status_code == 200

    other = start(
        tmp_path / "model", tmp_path / "other", **environment | {"SIGNATURE_PUBLIC_KEY": key_pair(CURVES[curve])[1]}
    )
    assert other.end(None) == 1
    reason = "model.sig: not signed with SIGNATURE_PUBLIC_KEY's key, or changed since"
    assert other.termination_log.read_text() == reason
    assert [event["reason"] for event in other.events() if event["event"] == "refused"] == [reason]


def test_a_private_key_of_another_pair_signs_nothing(local_cluster: LocalCluster, tmp_path: Path) -> None:
    private, _ = key_pair(CURVES["P-256"])
    _, public = key_pair(CURVES["P-256"])
    done = build_model(
        Path("model/iris"),
        "onnx",
        tmp_path / "stage.tar",
        local_cluster.env,
        arguments={"SIGNING": "key", "SIGNING_PUBLIC_KEY": public},
        secrets={"signing_key": private},
        target="signature",
        kind="tar",
    )
    assert done.returncode != 0
    assert "export failed: the signing key does not belong to the stack's public key" in done.stdout
    assert json.dumps(private)[1:40] not in done.stdout
