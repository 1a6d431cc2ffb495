"""A model that is not what was built is refused before it is ready, and the reason is exact."""

import hashlib
import json
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from model.server import model as models_under_test
from model.server.contract import compare
from model.server.errors import RefusalError
from model.server.model import Model
from tests.unit.server.models import (
    SIGNATURES,
    WEIGHTS,
    edit_contract,
    linear_model,
    onnx_model,
    read_contract,
    tensor,
    write_linear,
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_linear(tmp_path / "model")


def load(folder: Path) -> Model:
    return models_under_test.load("linear", folder, threads=1)


def refusal(folder: Path) -> str:
    with pytest.raises(RefusalError) as refused:
        load(folder)
    return str(refused.value)


def replace_model(folder: Path, model: onnx.ModelProto) -> None:
    """Swaps the model and makes the contract's hash agree, as someone who can write the folder would."""
    content = model.SerializeToString()
    (folder / "model.onnx").chmod(0o644)
    (folder / "model.onnx").write_bytes(content)
    edit_contract(folder, files={"model.onnx": hashlib.sha256(content).hexdigest()})


def test_the_model_that_was_built_is_loaded(folder: Path) -> None:
    model = load(folder)
    assert model.digest == hashlib.sha256((folder / "contract.json").read_bytes()).hexdigest()
    assert model.version == model.digest[:12]
    assert model.contract.metrics["held_out_accuracy"] == 1.0
    assert model.load_seconds > 0


@pytest.mark.parametrize("place", [0, 100, -1])
def test_one_changed_byte_is_found(folder: Path, place: int) -> None:
    path = folder / "model.onnx"
    before = hashlib.sha256(path.read_bytes()).hexdigest()
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.chmod(0o644)
    path.write_bytes(content)
    after = hashlib.sha256(content).hexdigest()
    assert refusal(folder) == f"model.onnx: SHA-256 is {after}, contract says {before}"


def test_one_wrong_weight_is_found_by_its_answer_alone(folder: Path) -> None:
    weights = WEIGHTS.copy()
    weights[0, 1] += 0.2
    replace_model(folder, linear_model(weights))
    assert refusal(folder) == "golden request 1: output y differs by 0.0471, allowed 0.0001"


def test_a_model_that_answers_nan_is_refused(folder: Path) -> None:
    weights = WEIGHTS.copy()
    weights[0, 0] = np.nan
    replace_model(folder, linear_model(weights))
    assert refusal(folder) == "golden request 1: output y differs by nan, allowed 0.0001"


@pytest.mark.parametrize(
    ("expected", "got", "fits"),
    [(0.5, 0.50009, True), (0.5, 0.50011, False), (4000.0, 4000.3, True), (-4000.0, -4000.5, False), (0.0, 1.0, False)],
)
def test_above_1_a_difference_is_relative_to_the_answer(expected: float, got: float, fits: bool) -> None:
    with nullcontext() if fits else pytest.raises(RefusalError, match=r"y differs by .*, allowed 0\.0001"):
        compare(np.array([expected]), np.array([got]), 1e-4, "y")


def test_a_difference_within_the_tolerance_is_accepted(folder: Path) -> None:
    replace_model(folder, linear_model(WEIGHTS + np.float32(1e-6)))
    assert load(folder)


def test_a_model_with_another_signature_is_refused(folder: Path) -> None:
    renamed = onnx_model(
        [helper.make_node("Identity", ["image"], ["y"])],
        [tensor("image", TensorProto.FLOAT, ["batch", 2])],
        [tensor("y", TensorProto.FLOAT, ["batch", 2])],
    )
    replace_model(folder, renamed)
    assert refusal(folder) == "signature: the model's inputs are image FP32 [-1, 2], contract says x FP32 [-1, 3]"


def test_what_is_not_onnx_is_refused(folder: Path) -> None:
    content = b"not a model"
    (folder / "model.onnx").chmod(0o644)
    (folder / "model.onnx").write_bytes(content)
    edit_contract(folder, files={"model.onnx": hashlib.sha256(content).hexdigest()})
    assert refusal(folder).startswith("model.onnx: ONNX Runtime cannot load it: ")


def test_a_type_without_a_name_in_the_protocol_is_refused(folder: Path) -> None:
    replace_model(
        folder,
        onnx_model(
            [helper.make_node("Cast", ["x"], ["y"], to=TensorProto.FLOAT)],
            [tensor("x", TensorProto.BFLOAT16, ["batch", 3])],
            [tensor("y", TensorProto.FLOAT, ["batch", 3])],
        ),
    )
    assert refusal(folder) == "x: type tensor(bfloat16) has no name in the Open Inference Protocol"


def test_a_missing_file_is_named(folder: Path) -> None:
    (folder / "model.onnx").unlink()
    assert refusal(folder) == "model.onnx: in the contract, but cannot be read: No such file or directory"


@pytest.mark.parametrize("name", ["weights.bin", "deep/weights.bin"])
def test_a_file_that_the_contract_lacks_is_refused(folder: Path, name: str) -> None:
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_text("more")
    assert refusal(folder) == f"{name}: not in the contract"


def test_a_link_that_the_contract_lacks_is_refused(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (folder / "more").symlink_to(tmp_path / "elsewhere")
    assert refusal(folder) == "more: not in the contract"


@pytest.mark.parametrize("name", ["../secret", "/etc/passwd"])
def test_a_file_outside_the_folder_is_refused(folder: Path, name: str) -> None:
    edit_contract(folder, files={**read_contract(folder)["files"], name: "0" * 64})
    assert refusal(folder) == f"contract.json: files: '{name}' lies outside the model's folder"


def test_a_missing_contract_is_named(tmp_path: Path) -> None:
    assert refusal(tmp_path) == f"contract.json: cannot be read from {tmp_path}: No such file or directory"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"golden": []}, "no golden requests, so nothing proves what the model answers"),
        ({"contract_version": 2}, "version 2; this server reads version 1"),
        ({"files": {}}, "must hold the SHA-256 of either model.onnx or saved_model/saved_model.pb"),
        ({"signed": True}, "Object contains unknown field `signed`"),
        ({"metrics": None}, "Expected `object`, got `null` - at `$.metrics`"),
        (
            {
                "signature": {
                    **SIGNATURES["linear"],
                    "inputs": [{"name": "x", "datatype": "COMPLEX64", "shape": [-1, 3]}],
                }
            },
            "signature: x: datatype 'COMPLEX64' is not known",
        ),
    ],
)
def test_a_contract_that_proves_nothing_is_refused(folder: Path, changes: dict[str, Any], message: str) -> None:
    edit_contract(folder, **changes)
    assert refusal(folder) == f"contract.json: {message}"


def test_a_cut_off_contract_is_refused(folder: Path) -> None:
    path = folder / "contract.json"
    path.chmod(0o644)
    path.write_text(path.read_text()[:100])
    assert refusal(folder).startswith("contract.json: Input data was truncated")


def change_golden(folder: Path, **changes: Any) -> None:
    golden = read_contract(folder)["golden"]
    edit_contract(folder, golden=[golden[0], {**golden[1], **changes}])


def test_a_wrong_golden_answer_is_found(folder: Path) -> None:
    expected = read_contract(folder)["golden"][1]["expected"]
    expected[0]["data"][3] += 0.5
    change_golden(folder, expected=expected)
    assert refusal(folder) == "golden request 2: output y differs by 0.087, allowed 0.0001"


def test_a_golden_request_must_fit_the_signature(folder: Path) -> None:
    change_golden(folder, request={"inputs": []})
    assert refusal(folder) == "golden request 2: input 'x': missing; the model's inputs are x"


def test_every_output_needs_a_golden_answer(folder: Path) -> None:
    change_golden(folder, expected=[])
    assert refusal(folder) == "golden request 2: does not state an answer for each of y"


def test_an_answer_of_another_shape_is_refused(folder: Path) -> None:
    expected = read_contract(folder)["golden"][0]["expected"]
    change_golden(folder, expected=expected)
    assert refusal(folder) == "golden request 2: output y has shape [2, 2], contract says [1, 2]"


def test_an_answer_that_the_signature_lacks_is_refused(folder: Path) -> None:
    expected = json.loads(json.dumps(read_contract(folder)["golden"][1]["expected"]))
    expected[0]["name"] = "scores"
    change_golden(folder, expected=expected)
    assert refusal(folder) == "golden request 2: expects the output scores, which the signature lacks"
