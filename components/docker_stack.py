"""All models of one stack as containers of this machine, for `cluster: docker`."""

from collections.abc import Mapping

import pulumi
import pulumi_docker as docker

from components.built_images import built_images
from components.docker_service import DockerService, DockerServiceArgs
from components.model_stack import ModelStackArgs
from components.planning import compose, names


class DockerStack(pulumi.ComponentResource):
    """The Compose project of a stack (components/planning/compose.py), as resources: a network, volumes, containers."""

    models: Mapping[str, DockerService]

    def __init__(self, name: str, args: ModelStackArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("model-serving:docker:DockerStack", name, None, opts)
        builds = built_images(args.stack, args.config, args.secrets, self)
        images = {model: config.image or builds[model].reference for model, config in args.config.served.items()}
        self._project = compose.project(args.stack, args.config, images)
        self._secrets = args.secrets
        labels = sorted(names.stack_labels().items())
        child = pulumi.ResourceOptions(parent=self)
        # A build that fails changes nothing, as in a cluster.
        self._network = docker.Network(
            f"{name}-network",
            labels=[docker.NetworkLabelArgs(label=key, value=value) for key, value in labels],
            opts=pulumi.ResourceOptions(parent=self, depends_on=list(builds.values())),
        ).name
        self._volumes = {
            volume: docker.Volume(
                volume, labels=[docker.VolumeLabelArgs(label=key, value=value) for key, value in labels], opts=child
            ).name
            for volume in self._project.volumes
        }
        self._services: dict[str, DockerService] = {}
        for service in self._project.services:
            self._service(service)
        self.models = {model: self._services[model] for model in args.config.served}
        self.register_outputs({"network": self._network})

    def _service(self, name: str) -> DockerService:
        """The service of a name, after those that it waits for."""
        if name not in self._services:
            plan = self._project.services[name]
            before = [self._service(needed) for needed in plan.get("depends_on", {})]
            self._services[name] = DockerService(
                name,
                DockerServiceArgs(
                    service=name,
                    plan=plan,
                    network=self._network,
                    volumes=self._volumes,
                    files={**self._secret_files(plan), **self._files(plan)},
                    variables=self._variables(plan),
                ),
                # A container that is created is healthy or done.
                pulumi.ResourceOptions(parent=self, depends_on=before),
            )
        return self._services[name]

    def _files(self, plan: Mapping[str, list[dict[str, str]]]) -> dict[str, pulumi.Input[str]]:
        paths = {entry["target"]: self._project.configs[entry["source"]]["file"] for entry in plan.get("configs", ())}
        return {target: self._project.files[path.removeprefix("./")] for target, path in paths.items()}

    def _secret_files(self, plan: Mapping[str, list[dict[str, str]]]) -> dict[str, pulumi.Input[str]]:
        paths = {entry["target"]: self._project.secrets[entry["source"]]["file"] for entry in plan.get("secrets", ())}
        sources = {target: self._project.secret_files[path.removeprefix("./")] for target, path in paths.items()}
        return {target: self._secrets[source.config or ""] for target, source in sources.items()}

    def _variables(self, plan: Mapping[str, list[str]]) -> dict[str, pulumi.Input[str]]:
        return {
            name: self._secrets[source.config or ""]
            for path in plan.get("env_file", ())
            for name, source in self._project.secret_variables[path.removeprefix("./")].items()
        }
