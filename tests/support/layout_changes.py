"""Another layout of the program's resources, with the aliases that docs/decisions/0001-program.md asks for."""

from tests.support.workspace import ROOT, Workspace

_NO_TOKEN = "automount_service_account_token=False,\n            opts=pulumi.ResourceOptions("

# By file: what stands there, and what takes its place.
_CHANGES = {
    # Another type.
    "components/model_service.py": {
        'super().__init__("model-serving:model:ModelService", name, None, opts)': """\
super().__init__("model-serving:model:Address", name, None, pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(
            aliases=[pulumi.Alias(type_="model-serving:model:ModelService")])))""",
    },
    # Another name.
    "components/model_deployment.py": {
        'f"{name}-account",': 'f"{name}-identity",',
        f"{_NO_TOKEN}parent=self)": _NO_TOKEN + 'parent=self, aliases=[pulumi.Alias(name=f"{name}-account")])',
    },
    # Another parent.
    "components/network_policy.py": {
        "ResourceOptions(parent=self)": "ResourceOptions(parent=opts.parent, aliases=[pulumi.Alias(parent=self)])",
    },
}


def make(workspace: Workspace, *, aliased: bool) -> None:
    """Change the program of a checkout."""
    for file, changes in _CHANGES.items():
        text = (ROOT / file).read_text()
        for old, new in changes.items():
            assert text.count(old) == 1, f"{file} has changed: {old}"
            text = text.replace(old, new if aliased else new.replace("aliases=", "aliases=None and "))
        (workspace.path / file).write_text(text)
