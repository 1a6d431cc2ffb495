"""The image of a model that is built from its training code."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pulumi
import pulumi_docker_build as docker_build

from components.config import ProxyConfig
from components.planning import artifact_access, build_context, names, pip_settings
from components.planning.attestations import Attachments


@dataclass(frozen=True, kw_only=True)
class ModelImageArgs:
    """What is built and where it is pushed.

    Attributes:
        framework: what the training code is written in; the exporter's word for it.
        source: the folder of the model's training code, relative to the project.
        runtime: what will serve the model, and `accelerator` what will compute it: each has an image of its own.
        artifact: a finished model to build from instead of training, as the configuration names it.
        repository: registry and path; the model's name is appended.
        quantization_loss: the quality that int8 weights may cost; none for weights as they were trained.
        public_key: the key that the image's server will demand a signature of, and `signing_key` its other half.
        platforms: like "linux/arm64"; none for the builder's own.
        proxy: the stack's way to the internet, where this machine has none of its own.
        ca_bundle: a file of the project with authorities to trust beside the usual ones.
        attachments: what is attached to the image after its push, and `cosign_keys` what it is signed with: variables
            of cosign's environment.
    """

    model: str
    stack: str
    framework: str
    source: str
    repository: str
    runtime: str = "onnx"
    accelerator: str = "none"
    artifact: str | None = None
    quantization_loss: float | None = None
    public_key: str | None = None
    signing_key: pulumi.Input[str] | None = None
    platforms: tuple[str, ...] = ()
    proxy: ProxyConfig | None = None
    ca_bundle: str | None = None
    attachments: Attachments = field(default_factory=Attachments)
    cosign_keys: Mapping[str, pulumi.Input[str]] = field(default_factory=dict)


class ModelImage(pulumi.ComponentResource):
    """An image, built and pushed when its inputs change, and known by its digest.

    The inputs are the same on every machine: a staged context (see components/planning/build_context.py), and secrets
    that a change of does not rebuild. Which builder builds, and the registry's credentials, are Docker's settings.
    """

    reference: pulumi.Output[str]
    """repository@sha256:<digest> of what was pushed."""
    built: pulumi.Output[str]
    """Known in a preview too, and by whoever waits for it not before the image is pushed."""

    def __init__(self, name: str, args: ModelImageArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("model-serving:model:ModelImage", name, None, opts)
        tag = names.build_tag(args.repository, args.model, args.stack)
        # A preview builds nothing: it has to know that there are secrets, not what is in them.
        building = not pulumi.runtime.is_dry_run()
        bundle = Path(args.ca_bundle) if args.ca_bundle else None
        secrets: dict[str, pulumi.Input[str]] = {
            "pip_conf": pip_settings.pip_conf() if building else "",
            "proxy": pip_settings.proxy(stack=args.proxy) if building else "",
            "ca_bundle": pip_settings.ca_bundle(stack=bundle) if building else "",
        }
        kind = artifact_access.kind(args.artifact)
        if kind == "remote":
            secrets["artifact_access"] = artifact_access.access(args.artifact) if building else ""
        if args.signing_key is not None:
            secrets["signing_key"] = args.signing_key if building else ""
        local = Path(args.artifact) if args.artifact and kind == "folder" else None
        image = docker_build.Image(
            f"{name}-build",
            context={"location": build_context.stage(args.model, Path(args.source), artifact=local).as_posix()},
            build_args=_build_args(args, kind),
            platforms=[docker_build.Platform(platform) for platform in args.platforms],
            tags=[tag],
            push=True,
            # A preview tells what would change in a second; a build takes minutes and a builder.
            build_on_preview=False,
            # Beside the builder's own cache: another machine starts from what was pushed last.
            cache_from=[{"registry": {"ref": tag}}],
            cache_to=[{"inline": {}}],
            secrets={key: pulumi.Output.secret(value) for key, value in secrets.items()},
            ignore_secrets_in_diff_calculation=sorted(secrets),
            # Another environment may have been promoted to this digest, or an old ReplicaSet may still need it.
            opts=pulumi.ResourceOptions(parent=self, retain_on_delete=True),
        )
        self.built = image.urn
        self.reference = pulumi.Output.concat(f"{args.repository}/{args.model}@", image.digest)
        if args.attachments.any:
            # Imported where it is needed: every preview waits for the imports.
            from components.image_attachments import attached

            # Whoever deploys it waits for what is attached.
            self.reference = attached(
                name, self.reference, args.attachments, args.cosign_keys, lambda image: _provenance(args, image), self
            )
        self.register_outputs({"reference": self.reference})


def _provenance(args: ModelImageArgs, image: str) -> Mapping[str, Any]:
    """The provenance of an image that was just pushed.

    What is said of the sources is what is there now: the plugin builds again whenever the staged context is another one
    than the image's.
    """
    from components import build_facts
    from components.planning import provenance

    kind = artifact_access.kind(args.artifact)
    local = Path(args.artifact) if args.artifact and kind == "folder" else None
    build = provenance.Build(
        project=pulumi.get_project(),
        stack=args.stack,
        model=args.model,
        build_args=_build_args(args, kind),
        platforms=args.platforms,
        context=provenance.folder_hash(build_context.STAGING / args.model),
        versions=build_facts.versions(),
        source=build_facts.source(Path(args.source), local),
        record=build_facts.record(image),
        contract=build_facts.contract(image),
    )
    return provenance.predicate(build)


def _build_args(args: ModelImageArgs, kind: str) -> dict[str, str]:
    values = {"FRAMEWORK": args.framework}
    if args.runtime != "onnx":
        values["RUNTIME"] = args.runtime
    if args.accelerator != "none":
        values["ACCELERATOR"] = args.accelerator
    if args.artifact is not None:
        values |= {"ARTIFACT_KIND": kind, "ARTIFACT": args.artifact}
    if args.quantization_loss is not None:
        values["QUANTIZATION_LOSS"] = str(args.quantization_loss)
    if args.signing_key is not None and args.public_key is not None:
        values |= {"SIGNING": "key", "SIGNING_PUBLIC_KEY": args.public_key}
    return values
