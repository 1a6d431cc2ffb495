from typing import Any, ClassVar

import pytest

from toolchain.kubernetes_plugin.ownership import CREATOR, may_force, takeover, without_ignored

OURS = "pulumi-kubernetes-1a2b3c4d"


def entry(manager: str, operation: str, fields: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"manager": manager, "operation": operation, "fieldsV1": fields, **more}


def live(*entries: dict[str, Any], **spec: Any) -> dict[str, Any]:
    return {"metadata": {"resourceVersion": "7", "managedFields": list(entries)}, "spec": spec}


REPLICAS = {"f:spec": {"f:replicas": {}}}
IMAGE = {"f:spec": {"f:image": {}}}


def test_the_creator_s_fields_become_the_manager_s() -> None:
    status = entry("kube-controller-manager", "Update", {"f:status": {}}, subresource="status")
    fields, version = takeover(live(entry(CREATOR, "Update", REPLICAS), status), OURS)
    assert fields["value"] == [status, entry(OURS, "Apply", REPLICAS)]
    assert version["value"] == "7"


def test_inherited_fields_join_those_already_applied() -> None:
    found = takeover(live(entry(OURS, "Apply", IMAGE), entry("kubectl", "Update", REPLICAS)), OURS)
    assert found[0]["value"] == [entry(OURS, "Apply", {"f:spec": {"f:image": {}, "f:replicas": {}}})]


def test_other_managers_keep_theirs() -> None:
    scaled = entry("kubectl", "Update", REPLICAS, subresource="scale")
    assert takeover(live(entry(OURS, "Apply", IMAGE), scaled, entry("helm", "Update", IMAGE)), OURS) == []


@pytest.mark.parametrize(
    ("manager", "operation"),
    [
        ("kubectl-client-side-apply", "Update"),
        ("kubectl-set", "Update"),
        ("kubectl", "Apply"),
        ("before-first-apply", "Update"),
    ],
)
def test_what_kubectl_wrote_is_taken_over_whichever_of_its_commands_did(manager: str, operation: str) -> None:
    [fields, _] = takeover(live(entry(manager, operation, IMAGE)), OURS)
    assert fields["value"] == [entry(OURS, "Apply", IMAGE)]


def test_force() -> None:
    applied = live(entry(OURS, "Apply", IMAGE))
    created = live(entry(CREATOR, "Update", IMAGE))
    asked = {"metadata": {"annotations": {"pulumi.com/patchForce": "true"}}}
    assert not may_force({}, applied, always=False, dry_run=True)
    assert may_force({}, applied, always=True, dry_run=False)
    assert may_force(asked, applied, always=False, dry_run=False)
    # The dry run cannot take over first, as the real run will.
    assert may_force({}, created, always=False, dry_run=True)
    assert not may_force({}, created, always=False, dry_run=False)
    assert may_force({}, live(), always=False, dry_run=False)
    # The official plugin takes kubectl's fields over when it applies, and refuses them in a preview.
    assert not may_force({}, live(entry("kubectl-set", "Update", IMAGE)), always=False, dry_run=True)


class TestIgnoredChanges:
    inputs: ClassVar[dict[str, Any]] = {"spec": {"replicas": 2, "image": "a"}}

    def test_an_autoscaler_s_field_is_left_to_it(self) -> None:
        now = live(entry(OURS, "Apply", IMAGE), entry("hpa", "Update", REPLICAS, subresource="scale"), replicas=5)
        assert without_ignored(self.inputs, now, ["spec.replicas"], OURS) == {"spec": {"image": "a"}}

    def test_our_own_field_keeps_its_live_value(self) -> None:
        now = live(entry(CREATOR, "Update", REPLICAS), replicas=5)
        assert without_ignored(self.inputs, now, ["spec.replicas"], OURS) == {"spec": {"replicas": 5, "image": "a"}}

    def test_a_field_of_both_keeps_its_live_value(self) -> None:
        now = live(entry(OURS, "Apply", REPLICAS), entry("hpa", "Update", REPLICAS), replicas=5)
        assert without_ignored(self.inputs, now, ["spec.replicas"], OURS)["spec"]["replicas"] == 5

    def test_what_the_cluster_does_not_have_is_applied(self) -> None:
        assert without_ignored(self.inputs, live(), ["spec.replicas", "spec.a[0]"], OURS) == self.inputs
        assert self.inputs == {"spec": {"replicas": 2, "image": "a"}}
