"""What is attached to an image after its push: a list of its packages, where it came from, and a signature."""

import asyncio
import json
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pulumi

from components import programs
from components.errors import UserError
from components.planning import attestations
from components.planning.attestations import PROVENANCE_TYPE, SBOM_TYPE, SIGNATURE_TYPE, Attachments
from components.programs import ProgramFailed


def attached(
    name: str,
    image: pulumi.Output[str],
    plan: Attachments,
    keys: Mapping[str, pulumi.Input[str]],
    provenance: Callable[[str], Mapping[str, Any]],
    parent: pulumi.Resource,
) -> pulumi.Output[str]:
    """The image, once everything of the plan is attached to it.

    `keys` are the variables that cosign reads the private key from, and `provenance` makes the predicate of an image.

    The work is that of a hook of a resource which holds nothing but the plan: it is done before the state says so,
    again when it failed or the plan changed, and never by a preview. The values of `keys` are in no resource.
    """

    async def attach(event: pulumi.ResourceHookArgs) -> None:
        known = (event.new_inputs or {})["input"]["image"]
        values = await pulumi.Output.all(**keys).future() or {}
        work = Attaching(model=name, image=known, plan=plan, keys=values)
        # Models are built side by side, and so are these.
        await asyncio.to_thread(work.run, provenance)

    hook = pulumi.ResourceHook(f"{name}-attach", attach)
    state = pulumi.Stash(
        f"{name}-attachments",
        input=plan.told(image),
        opts=pulumi.ResourceOptions(
            parent=parent, hooks=pulumi.ResourceHookBinding(before_create=[hook], before_update=[hook])
        ),
    )
    return state.input.apply(lambda told: told["image"])


@dataclass(frozen=True, kw_only=True)
class Attaching:
    """The work on one image: look at what it has, make what is missing, and leave the rest alone.

    Attributes:
        image: repository@sha256:<digest>, pushed.
        keys: the private key and its password, as variables of cosign's environment; {} without a key.
    """

    model: str
    image: str
    plan: Attachments
    keys: Mapping[str, str]

    def run(self, provenance: Callable[[str], Mapping[str, Any]]) -> None:
        """Attach what is missing.

        Raises:
            UserError: a program is missing or fails, or the keys are not those of one pair.
        """
        for program in self.plan.programs():
            self._program(program)
        if self.plan.public_key is not None:
            self._check_pair()
        missing = self.plan.wanted() - self._there()
        with tempfile.TemporaryDirectory() as folder:
            if missing[SBOM_TYPE]:
                for place, platform in enumerate(self.plan.platforms or (None,)):
                    file = Path(folder) / f"sbom-{place}.cdx.json"
                    command = attestations.sbom_command(self.image, platform, file)
                    self._call("its packages cannot be listed", "syft", command)
                    self._attach(SBOM_TYPE, file)
            if missing[PROVENANCE_TYPE]:
                file = Path(folder) / "provenance.json"
                file.write_text(json.dumps(self._stated(provenance(self.image))))
                self._attach(PROVENANCE_TYPE, file)
        # Last: whoever finds it signed finds the others, too.
        if missing[SIGNATURE_TYPE]:
            self._call("it cannot be signed", "cosign", attestations.sign_command(self.image))
        if missing and self.plan.wanted() - self._there():
            raise self._failure("what was attached to it is not found there")

    def _there(self) -> Counter[str]:
        """What the image has already: with a key, what this key signed."""
        if self.plan.public_key is None:
            command = attestations.discover_command(self.image)
            listed = attestations.discovered(self._call("what it has cannot be listed", "oras", command))
            return Counter({kind: len(found) for kind, found in listed.items()})
        try:
            variables = {attestations.PUBLIC_KEY: attestations.pem(self.plan.public_key)}
            command = [self._program("cosign"), *attestations.verify_command(self.image)]
            return attestations.verified(programs.run(command, variables=variables))
        except ProgramFailed:
            # Nothing that this key signed, or no answer, which signing will say, too.
            return Counter()

    def _check_pair(self) -> None:
        """A signature by another key than the public one would be refused when it is verified: do not make it."""
        command = ["public-key", f"--key=env://{attestations.PRIVATE_KEY}"]
        failure = "imageSigning.privateKey cannot be read with this imageSigning.password"
        other = self._call(failure, "cosign", command)
        if "".join(other.split()) != "".join(attestations.pem(self.plan.public_key or "").split()):
            raise UserError(
                "model-serving:imageSigning.privateKey: is not the other half of imageSigning.publicKey -> give the "
                "public half of the key that signs: cosign public-key --key cosign.key"
            )

    def _stated(self, predicate: Mapping[str, Any]) -> Mapping[str, Any]:
        """What is written to a file: cosign makes the statement about a predicate itself."""
        if self.plan.public_key is not None:
            return predicate
        return attestations.statement(self.image, PROVENANCE_TYPE, predicate)

    def _attach(self, predicate_type: str, file: Path) -> None:
        what = f"{predicate_type} cannot be attached to it"
        if self.plan.public_key is not None:
            self._call(what, "cosign", attestations.attest_command(self.image, predicate_type, file))
        else:
            self._call(what, "oras", attestations.attach_command(self.image, predicate_type, file), file.parent)

    def _program(self, name: str) -> str:
        return programs.find(
            name, f"model-serving:models.{self.model}", "its image is attested", programs.INSTALL[name]
        )

    def _call(self, failure: str, name: str, arguments: list[str], folder: Path | None = None) -> str:
        variables = dict(self.keys) if name == "cosign" else {}
        try:
            return programs.run([self._program(name), *arguments], variables=variables, folder=folder)
        except ProgramFailed as error:
            raise self._failure(f"{failure}: {programs.said(error)}") from None

    def _failure(self, what: str) -> UserError:
        return UserError(
            f"model-serving:models.{self.model}: {self.image} is pushed, but {what} -> log in to its registry (docker "
            "login), or see what it says; the next update tries again"
        )
