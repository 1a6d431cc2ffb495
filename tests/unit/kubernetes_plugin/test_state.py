from toolchain.kubernetes_plugin.state import Stored, marked, new_manager, outputs
from toolchain.plugin_base.values import Secret

SECRET = {"apiVersion": "v1", "kind": "Secret", "data": {"a": "eA=="}, "metadata": {"name": "n"}}


def test_what_is_stored_reads_back() -> None:
    live = {"apiVersion": "v1", "kind": "Pod", "spec": {"a": "x", "b": 1}}
    inputs = {"apiVersion": "v1", "kind": "Pod", "spec": {"a": "x"}}
    stored = Stored.of(outputs(live, inputs, {"spec": {"a": Secret("x")}}, "v1", "m"))
    assert stored.live == live
    assert stored.inputs == inputs
    assert stored.marked_inputs == {**inputs, "spec": {"a": Secret("x")}}
    assert (stored.api_version, stored.manager) == ("v1", "m")


def test_nothing_stored() -> None:
    assert Stored.of({}) == Stored({}, {}, {}, "", "")


def test_a_secret_s_contents_are_secret_whoever_wrote_them() -> None:
    assert marked(SECRET, {}) == {**SECRET, "data": Secret({"a": "eA=="})}
    assert marked(SECRET, {"data": {"a": Secret("eA==")}}) == {**SECRET, "data": Secret({"a": "eA=="})}
    assert marked(marked(SECRET, {}), {}) == marked(SECRET, {})


def test_field_managers() -> None:
    own = {"metadata": {"annotations": {"pulumi.com/patchFieldManager": "mine"}}}
    assert new_manager({}) != new_manager({})
    assert new_manager(own) == "mine"
    stored = Stored.of({"__fieldManager": "stored"})
    assert stored.manager_for({}) == "stored"
    assert stored.manager_for(own) == "mine"
    assert Stored.of({}).manager_for({}).startswith("pulumi-kubernetes-")
