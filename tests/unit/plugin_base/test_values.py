from typing import Any

import pytest
from google.protobuf.struct_pb2 import Struct
from pulumi.runtime import rpc

from toolchain.plugin_base.values import UNKNOWN, Secret, has_unknown, mark_secrets, plain, read, write


def test_what_is_written_reads_back() -> None:
    values: dict[str, Any] = {
        "text": "a",
        "empty": "",
        "whole": 3,
        "part": 0.5,
        "no": False,
        "nothing": None,
        "list": [1, [], {}],
        "object": {"empty": {}, "token": Secret({"inner": "x"})},
        "later": UNKNOWN,
    }
    assert read(write(values)) == values


def test_whole_numbers_are_integers_and_booleans_stay_booleans() -> None:
    back = read(write({"port": 80.0, "share": 0.25, "on": True}))
    assert {key: (type(value), value) for key, value in back.items()} == {
        "port": (int, 80),
        "share": (float, 0.25),
        "on": (bool, True),
    }


def test_markers_are_the_sdk_s() -> None:
    struct = Struct()
    struct.update({"later": rpc.UNKNOWN, "secret": {rpc._special_sig_key: rpc._special_secret_sig, "value": "x"}})
    assert read(struct) == {"later": UNKNOWN, "secret": Secret("x")}
    assert write({"later": UNKNOWN, "secret": Secret("x")}) == struct


def test_assets_are_refused() -> None:
    struct = Struct()
    struct.update({"file": {rpc._special_sig_key: rpc._special_asset_sig, "text": "x"}})
    with pytest.raises(ValueError, match="assets"):
        read(struct)


def test_schema_extensions_change_their_spelling_on_the_wire() -> None:
    struct = write({"spec": {"x-kubernetes-preserve-unknown-fields": True}})
    assert list(struct["spec"]) == ["x_kubernetes_preserve_unknown_fields"]  # type: ignore[arg-type]
    assert read(struct) == {"spec": {"x-kubernetes-preserve-unknown-fields": True}}


def test_plain_removes_marks_at_any_depth() -> None:
    assert plain({"a": [Secret({"b": Secret("c")})]}) == {"a": [{"b": "c"}]}


def test_unknowns_are_found_inside_secrets_and_lists() -> None:
    assert has_unknown({"a": [{"b": Secret([UNKNOWN])}]})
    assert not has_unknown({"a": [{"b": Secret(["known"])}]})


def test_secrets_are_marked_where_the_source_has_them() -> None:
    live = {"spec": {"env": [{"value": "x"}, {"value": "y"}], "name": "n"}, "status": {"phase": "ok"}}
    source = {"spec": {"env": [{"value": Secret("x")}], "name": "n", "gone": Secret("z")}}
    assert mark_secrets(live, source) == {
        # The whole list: the API server may have put the secret at another index.
        "spec": {"env": Secret([{"value": "x"}, {"value": "y"}]), "name": "n"},
        "status": {"phase": "ok"},
    }
