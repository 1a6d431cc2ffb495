"""What is attached to images and verified of them: with programs that only note what they are asked."""

import json
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pulumi
import pytest

from components import build_facts, programs
from components.errors import UserError
from components.image_attachments import Attaching
from components.planning import attestations
from components.planning.attestations import PROVENANCE_TYPE, SBOM_TYPE, SIGNATURE_TYPE, Attachments
from tests.support.building import key_pair
from tests.unit.components.recording import DIGEST, STACK, record

PUBLIC = key_pair()[1]
IMAGE = f"localhost:5001/models/digits@{DIGEST}"
KEYS = {attestations.PRIVATE_KEY: "canary-key", attestations.PASSWORD: "canary-password"}
COSIGN_KEY = (
    "-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----\ncanary-key\n-----END ENCRYPTED SIGSTORE PRIVATE KEY-----\n"
)
SIGNING = {"publicKey": PUBLIC, "privateKey": "imageKey", "password": "imagePassword"}
SECRETS = {"imageKey": COSIGN_KEY, "imagePassword": "canary-password"}

# Attached is what was asked for; the calls, and with the password what could be seen of it, are noted.
COSIGN = """\
case "$1" in
public-key) test "$COSIGN_PASSWORD" = canary-password || { echo "Error: decrypt: failed" >&2; exit 1; }
            cat "$FAKES/pub" ;;
attest) for word; do case "$word" in --type=*) echo "${word#--type=}" >> "$FAKES/there";; esac; done ;;
sign) test ! -e "$FAKES/deaf" || { echo "WARNING: so it goes" >&2; echo "Error: dial tcp: refused" >&2; exit 1; }
      echo sign >> "$FAKES/there" ;;
verify) test -s "$FAKES/there" || { echo "Error: no signatures found" >&2; exit 10; }
        sed -e 's|^cyclonedx$|https://cyclonedx.org/bom|' -e 's|^slsaprovenance1$|https://slsa.dev/provenance/v1|' \\
            -e 's|^sign$|https://sigstore.dev/cosign/sign/v1|' -e 's|.*|{"critical":{"type":"&"}}|' "$FAKES/there" \\
          | paste -sd, | sed 's|.*|[&]|' ;;
esac
"""
SYFT = 'for word; do case "$word" in --output=*) echo "{}" > "${word#--output=cyclonedx-json=}";; esac; done'
ORAS = """\
case "$1" in
discover) sed 's|.*|{"artifactType":"&","reference":"r"}|' "$FAKES/files" 2>/dev/null | paste -sd, \\
            | sed 's|.*|{"referrers":[&]}|' ;;
attach) for word; do case "$word" in --artifact-type=*) echo "${word#--artifact-type=}" >> "$FAKES/files";; esac; done
        for last; do :; done; cat "${last%%:*}" > "$FAKES/attached" ;;
esac
"""


class Fakes:
    """The programs, in a folder that is all of PATH beside the system's own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name, body in {"cosign": COSIGN, "syft": SYFT, "oras": ORAS}.items():
            script = folder / name
            script.write_text(f'#!/bin/sh\necho "{name} $*" >> "$FAKES/calls"\n{body}')
            script.chmod(script.stat().st_mode | stat.S_IXUSR)
        (folder / "pub").write_text(attestations.pem(PUBLIC))

    def calls(self) -> list[str]:
        file = self.folder / "calls"
        found = [" ".join(line.split()[:2]) for line in file.read_text().splitlines()] if file.exists() else []
        file.unlink(missing_ok=True)
        return found


@pytest.fixture
def fakes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Fakes:
    folder = tmp_path / "fakes"
    folder.mkdir()
    monkeypatch.setenv("FAKES", str(folder))
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}/usr/bin{os.pathsep}/bin")
    return Fakes(folder)


def attach(plan: Attachments, keys: dict[str, str] = KEYS) -> None:
    Attaching(model="digits", image=IMAGE, plan=plan, keys=keys).run(lambda image: {"of": image})


class TestWithAKey:
    PLAN = Attachments(sbom=True, provenance=True, public_key=PUBLIC)

    def test_everything_is_attached_once_and_the_signature_last(self, fakes: Fakes) -> None:
        attach(self.PLAN)
        made = ["syft scan", "cosign attest", "cosign attest", "cosign sign"]
        assert fakes.calls() == ["cosign public-key", "cosign verify", *made, "cosign verify"]
        attach(self.PLAN)
        assert fakes.calls() == ["cosign public-key", "cosign verify"]

    def test_what_was_cut_off_is_gone_on_with(self, fakes: Fakes) -> None:
        (fakes.folder / "deaf").touch()
        with pytest.raises(UserError) as refused:
            attach(self.PLAN)
        assert str(refused.value) == (
            f"model-serving:models.digits: {IMAGE} is pushed, but it cannot be signed: dial tcp: refused "
            "-> log in to its registry (docker login), or see what it says; the next update tries again"
        )
        (fakes.folder / "deaf").unlink()
        fakes.calls()
        attach(self.PLAN)
        assert fakes.calls() == ["cosign public-key", "cosign verify", "cosign sign", "cosign verify"]

    def test_a_list_of_packages_for_each_platform(self, fakes: Fakes) -> None:
        attach(Attachments(sbom=True, public_key=PUBLIC, platforms=("linux/amd64", "linux/arm64")))
        noted = fakes.calls()
        assert noted.count("syft scan") == noted.count("cosign attest") == 2

    def test_keys_of_two_pairs_attach_nothing(self, fakes: Fakes) -> None:
        (fakes.folder / "pub").write_text(attestations.pem(key_pair()[1]))
        with pytest.raises(
            UserError, match=r"imageSigning\.privateKey: is not the other half of imageSigning\.publicKey"
        ):
            attach(self.PLAN)
        assert fakes.calls() == ["cosign public-key"]

    def test_a_wrong_password_attaches_nothing_and_is_not_told(self, fakes: Fakes) -> None:
        with pytest.raises(UserError, match=r"cannot be read with this imageSigning\.password: decrypt") as refused:
            attach(self.PLAN, KEYS | {attestations.PASSWORD: "canary-other"})
        assert "canary" not in str(refused.value)
        assert fakes.calls() == ["cosign public-key"]

    def test_no_argument_and_no_file_holds_a_key(self, fakes: Fakes, tmp_path: Path) -> None:
        attach(self.PLAN)
        held = [path for path in tmp_path.rglob("*") if path.is_file() and "canary-key" in path.read_text()]
        assert held == []


class TestWithoutAKey:
    def test_files_are_attached_as_they_are(self, fakes: Fakes) -> None:
        plan = Attachments(sbom=True, provenance=True)
        attach(plan, {})
        made = ["syft scan", "oras attach", "oras attach"]
        assert fakes.calls() == ["oras discover", *made, "oras discover"]
        stated = json.loads((fakes.folder / "attached").read_text())
        assert (stated["predicateType"], stated["predicate"]) == (PROVENANCE_TYPE, {"of": IMAGE})
        attach(plan, {})
        assert fakes.calls() == ["oras discover"]


def test_a_missing_program_is_told_before_anything_is_done(fakes: Fakes) -> None:
    (fakes.folder / "syft").unlink()
    with pytest.raises(UserError, match=r"models\.digits: its image is attested by the program syft, which is not on"):
        attach(TestWithAKey.PLAN)
    assert fakes.calls() == []


def test_what_a_program_says_is_told_without_what_stands_around_it() -> None:
    said = "WARNING: insecure\nError: no matching attestations: x\n y\nerror during command execution: no"
    assert programs.said(programs.ProgramFailed(said)) == "no matching attestations: x"
    assert programs.said(programs.ProgramFailed("only this")) == "only this"


class TestOfAProgram:
    def test_a_stack_that_wants_nothing_has_nothing(self) -> None:
        assert not [r for r in record(STACK).resources if r.type == "pulumi:index:Stash"]

    def test_the_state_knows_the_image_and_no_key(self, fakes: Fakes) -> None:
        stack = STACK | {"image": {"sbom": True, "provenance": True}, "imageSigning": SIGNING}
        recording = record(stack, secrets=SECRETS)
        [state] = [r for r in recording.resources if r.type == "pulumi:index:Stash"]
        attached = sorted([SBOM_TYPE, PROVENANCE_TYPE, SIGNATURE_TYPE])
        assert state.inputs == {"input": {"image": IMAGE, "attached": attached, "publicKey": PUBLIC}}
        assert not [r for r in recording.resources if "canary" in repr(r)]
        assert recording.outputs["models"]["digits"]["image"] == IMAGE

    def test_a_preview_attaches_nothing(self, fakes: Fakes) -> None:
        record(STACK | {"imageSigning": SIGNING}, secrets=SECRETS, preview=True, digest=None)
        assert fakes.calls() == []


class TestVerification:
    PROMOTED: dict[str, Any] = STACK | {"models": {"digits": {"image": IMAGE}}, "imageSigning": {"publicKey": PUBLIC}}

    @pytest.fixture
    def told(self, monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
        lines: dict[str, list[str]] = {"error": [], "warn": []}
        for level, into in lines.items():
            monkeypatch.setattr(pulumi.log, level, lambda text, into=into: into.append(text))
        return lines

    @pytest.fixture
    def says(self, fakes: Fakes) -> Callable[[str], None]:
        def say(text: str) -> None:
            (fakes.folder / "cosign").write_text(f'#!/bin/sh\necho "cosign $*" >> "$FAKES/calls"\n{text}\n')

        return say

    def test_what_the_key_signed_is_deployed(self, fakes: Fakes) -> None:
        (fakes.folder / "there").write_text("sign\n")
        assert record(self.PROMOTED).one("Deployment")
        assert fakes.calls() == ["cosign verify"]

    @pytest.mark.parametrize(
        ("answer", "line"),
        [
            (
                'echo "Error: no signatures found" >&2; exit 10',
                "has no signature of imageSigning.publicKey in its registry",
            ),
            (
                """echo '[{"critical":{"type":"https://cyclonedx.org/bom"}}]'""",
                "has no signature of imageSigning.publicKey in its registry",
            ),
            (
                'echo "Error: no matching attestations: failed" >&2; exit 1',
                "is signed with another key than imageSigning.publicKey, or was changed since",
            ),
            (
                'echo "Error: dial tcp: refused" >&2; exit 1',
                "cannot be verified, its registry does not say whether it is signed: dial tcp: refused",
            ),
        ],
    )
    def test_anything_else_is_not(
        self, says: Callable[[str], None], told: dict[str, list[str]], answer: str, line: str
    ) -> None:
        says(answer)
        with pytest.raises(SystemExit):
            record(self.PROMOTED)
        [message] = told["error"]
        assert message.splitlines()[0].endswith("nothing was changed")
        assert f"model-serving:models.digits.image: {IMAGE} {line}" in message

    def test_a_preview_goes_on_without_a_registry(
        self, says: Callable[[str], None], told: dict[str, list[str]]
    ) -> None:
        says('echo "Error: dial tcp: refused" >&2; exit 1')
        assert record(self.PROMOTED, preview=True).one("Deployment")
        [warning] = told["warn"]
        assert warning.endswith("dial tcp: refused; an update would not deploy it")

    def test_a_preview_refuses_what_is_known_to_be_unsigned(
        self, says: Callable[[str], None], told: dict[str, list[str]]
    ) -> None:
        says('echo "Error: no signatures found" >&2; exit 10')
        with pytest.raises(SystemExit):
            record(self.PROMOTED, preview=True)
        assert "cosign sign --yes --key=cosign.key" in told["error"][0]

    def test_images_of_other_servers_are_verified_where_the_stack_says_so(self, fakes: Fakes) -> None:
        (fakes.folder / "there").write_text("sign\n")
        other = {"image": IMAGE, "runtime": "triton", "files": {"image": IMAGE}}
        stack = self.PROMOTED | {"models": {"digits": other}}
        record(stack)
        assert fakes.calls() == []
        record(stack | {"imageSigning": {"publicKey": PUBLIC, "verify": "all"}})
        assert fakes.calls() == ["cosign verify"]

    def test_canaries_are_verified(self, fakes: Fakes, told: dict[str, list[str]]) -> None:
        route = {"host": "digits.example.com", "gateway": {"name": "shared", "namespace": "gateways"}}
        canary = {"image": IMAGE, "weight": 5}
        with pytest.raises(SystemExit):
            record(self.PROMOTED | {"models": {"digits": {"image": IMAGE, "route": route, "canary": canary}}})
        assert "2 mistakes" in told["error"][0]
        assert "model-serving:models.digits.canary.image: " in told["error"][0]

    def test_without_cosign_nothing_is_deployed(self, fakes: Fakes, told: dict[str, list[str]]) -> None:
        (fakes.folder / "cosign").unlink()
        with pytest.raises(SystemExit):
            record(self.PROMOTED)
        assert "imageSigning: images are verified by the program cosign, which is not on PATH" in told["error"][0]


class TestFacts:
    def git(self, folder: Path, *arguments: str) -> str:
        identity = ["-c", "user.name=a", "-c", "user.email=a@example.com"]
        return programs.run(["git", *identity, *arguments], folder=folder)

    def test_the_commit_of_the_files_that_a_build_reads(self, project: Path) -> None:
        assert build_facts.source(Path("model/digits"), root=project) is None
        self.git(project, "init", "--quiet")
        self.git(project, "remote", "add", "origin", "https://user:canary@git.example.com/models.git")
        self.git(project, "add", ".")
        self.git(project, "commit", "--quiet", "--message=first")
        (project / "README.md").write_text("not of the build\n")
        (project / "model/digits/.notes").write_text("hidden\n")
        found = build_facts.source(Path("model/digits"), root=project)
        assert found is not None
        assert found.commit == self.git(project, "rev-parse", "HEAD").strip()
        assert (found.repository, found.dirty) == ("git+https://git.example.com/models.git", False)

        (project / "model/digits/data.csv").write_text("new\n")
        changed = build_facts.source(Path("model/digits"), root=project)
        assert changed is not None
        assert changed.dirty

    def test_a_project_in_a_folder_of_its_repository(self, project: Path) -> None:
        self.git(project, "init", "--quiet")
        inner = project / "serving"
        inner.mkdir()
        (project / "model").rename(inner / "model")
        self.git(project, "add", ".")
        self.git(project, "commit", "--quiet", "--message=first")
        (inner / "model/digits/train.py").write_text("changed\n")
        found = build_facts.source(Path("model/digits"), root=inner)
        assert found is not None
        assert found.dirty

    def test_a_builder_without_a_history_tells_nothing(self, fakes: Fakes) -> None:
        assert build_facts.record(IMAGE) is None
        (fakes.folder / "buildx").write_text("#!/bin/sh\necho 'unknown command: history' >&2\nexit 1\n")
        (fakes.folder / "buildx").chmod(0o755)
        assert build_facts.record(IMAGE) is None
