"""What a model's folder must hold, and what its author is told where it does not."""

from pathlib import Path
from textwrap import dedent

import numpy as np
import pytest

from model.exporter.errors import ExportError
from model.exporter.folder import Goal, check_held_out, load_folder

GOOD = """
    MINIMUM_ACCURACY = 0.9
    def train(): return "model"
    def held_out(): return [[1.0], [2.0]], [0, 1]
"""


def write(folder: Path, train: str, **modules: str) -> Path:
    folder.mkdir(exist_ok=True)
    for name, text in {"train": train, **modules}.items():
        (folder / f"{name}.py").write_text(dedent(text))
    return folder


def test_a_folder_is_loaded_whatever_its_name(tmp_path: Path) -> None:
    train = (
        "from .data import load\nMINIMUM_ACCURACY = 1\ndef train(): return load()\ndef held_out(): return ([[1]], [0])"
    )
    folder = load_folder(write(tmp_path / "my-model.v2", train, data="def load(): return 'trained'"))
    assert folder.train() == "trained"
    assert folder.goal == Goal(name="MINIMUM_ACCURACY", minimum=1.0)
    np.testing.assert_array_equal(folder.load_held_out(["x"]).inputs["x"], [[1]])


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="nowhere: no such folder"):
        load_folder(tmp_path / "nowhere")


def test_a_folder_without_training_code_says_what_it_has(tmp_path: Path) -> None:
    (tmp_path / "model.py").touch()
    with pytest.raises(ExportError, match=r"no train\.py \(found: model\.py\)"):
        load_folder(tmp_path)


@pytest.mark.parametrize(
    ("train", "message"),
    [
        (GOOD.replace("train", "fit"), r"no function train\(\)"),
        (GOOD.replace("def held_out(): return [[1.0], [2.0]], [0, 1]", "held_out = 3"), r"no function held_out\(\)"),
        (GOOD.replace("MINIMUM", "MIN"), "defines neither; it must define MINIMUM_ACCURACY"),
        (GOOD + "    MINIMUM_R2 = 0.9", "defines MINIMUM_ACCURACY and MINIMUM_R2; it must define MINIMUM_ACCURACY"),
        (GOOD.replace("ACCURACY = 0.9", "R2 = -1"), "MINIMUM_R2 is -1; it must be a number from 0 to 1"),
        (GOOD.replace("0.9", "97"), "MINIMUM_ACCURACY is 97"),
        (GOOD.replace("0.9", "True"), "MINIMUM_ACCURACY is True"),
        ("import no_such_package", r"no module no_such_package here. Add its package to requirements\.txt"),
        ("import data", r"cannot import data. Import the folder's own modules relatively: from \.data import"),
    ],
)
def test_what_is_missing_is_told_with_what_to_do(tmp_path: Path, train: str, message: str) -> None:
    with pytest.raises(ExportError, match=message):
        load_folder(write(tmp_path, train, data=""))


def test_an_error_in_the_folders_own_code_keeps_its_place(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError):
        load_folder(write(tmp_path, "1 / 0"))


def test_held_out_by_input_name() -> None:
    held_out = check_held_out(({"b": np.zeros((4, 2)), "a": np.arange(4)}, [0, 1, 1, 0]), ["a", "b"])
    assert list(held_out.inputs) == ["a", "b"]
    assert {name: values.tolist() for name, values in held_out.rows(1, 3).items()} == {
        "a": [1, 2],
        "b": [[0, 0], [0, 0]],
    }


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ([[1], [0]], r"returned list; it must return \(inputs, labels\)"),
        (([[1]], [0], 3), "returned tuple"),
        (({"y": [[1]]}, [0]), "returned the inputs y; the model's are x"),
        (([[1]], [0.5]), "labels are float64 of shape"),
        (([[1]], [[0]]), r"labels are int64 of shape \[1, 1\]"),
        (([], []), "at least one"),
        (([[1]], [True]), "labels are bool of shape"),
        (([[1], [2]], [0]), r"input x has shape \[2, 1\] for 1 labels"),
        ((3.0, [0]), r"input x has shape \[\] for 1 labels"),
    ],
)
def test_held_out_of_another_form_is_refused(answer: object, message: str) -> None:
    with pytest.raises(ExportError, match=message):
        check_held_out(answer, ["x"])


def test_texts_become_pythons_own() -> None:
    held_out = check_held_out((np.array([b"caf\xc3\xa9", b"tea"]), ["hot", "cold"]), ["drink"])
    assert held_out.inputs["drink"].tolist() == ["caf\u00e9", "tea"]
    assert held_out.labels.tolist() == ["hot", "cold"]
    assert held_out.labels.dtype == held_out.inputs["drink"].dtype == object


def test_numbers_to_come_close_to() -> None:
    assert check_held_out(([[1], [2]], [0.5, 1]), ["x"], numbers=True).labels.tolist() == [0.5, 1.0]
    with pytest.raises(ExportError, match=r"labels are object of shape .*they must be numbers, one an example"):
        check_held_out(([[1]], ["a"]), ["x"], numbers=True)


def test_several_inputs_need_names() -> None:
    with pytest.raises(ExportError, match=r"the model has the inputs a, b; held_out\(\) must return them as a dict"):
        check_held_out(([[1]], [0]), ["a", "b"])
