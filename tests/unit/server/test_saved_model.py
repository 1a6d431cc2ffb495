"""A SavedModel as far as a server without TensorFlow goes: whole or not. Integration tests serve one."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from model.exporter import contract as exporter_contract
from model.server import model
from model.server.errors import RefusalError
from tests.unit.server.models import SIGNATURES, linear

FILES = ("saved_model/saved_model.pb", "saved_model/variables/variables.data-00000-of-00001")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The files of a SavedModel, with other content than TensorFlow's, and a contract that is right about them."""
    for name in FILES:
        (tmp_path / "m" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "m" / name).write_bytes(b"0123456789")
    rows = [[1.0, 2.0, 3.0]]
    golden = exporter_contract.golden({"x": np.asarray(rows, dtype=np.float32)}, {"y": linear(rows)})
    exporter_contract.write_contract(
        tmp_path / "m",
        signature=SIGNATURES["linear"],
        goldens=[golden],
        metrics={"held_out_accuracy": 1.0},
        framework={"name": "tensorflow", "versions": {}},
    )
    return tmp_path / "m"


@pytest.mark.parametrize("name", FILES)
def test_a_changed_byte_is_found_before_anything_is_loaded(folder: Path, name: str) -> None:
    (folder / name).chmod(0o644)
    (folder / name).write_bytes(b"0123456780")
    with pytest.raises(RefusalError, match=f"{name}: SHA-256 is .*, contract says"):
        model.load("m", folder, threads=1)


def test_a_file_that_is_not_listed_is_refused(folder: Path) -> None:
    (folder / "saved_model/assets").mkdir()
    (folder / "saved_model/assets/words.txt").write_text("a")
    with pytest.raises(RefusalError, match=r"saved_model/assets/words\.txt: not in the contract"):
        model.load("m", folder, threads=1)


@pytest.mark.skipif(importlib.util.find_spec("tensorflow") is not None, reason="TensorFlow is installed")
def test_an_image_without_tensorflow_says_so(folder: Path) -> None:
    with pytest.raises(RefusalError, match="this image has no tensorflow, which this model needs"):
        model.load("m", folder, threads=1)
