"""A finished model: its file is found, its digest is that of standard tools, and what runs code is refused."""

import subprocess
from pathlib import Path

import pytest

from model.exporter import fetch
from model.exporter.artifact import FORMATS, find
from model.exporter.errors import ExportError
from model.exporter.folder import load_folder
from model.exporter.pipeline import FRAMEWORKS

PIN = "@sha256:" + "0" * 64


def write(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
    return folder


def test_every_framework_has_a_format() -> None:
    assert set(FORMATS) == set(FRAMEWORKS)


@pytest.mark.parametrize(
    ("framework", "name"),
    [
        ("keras", "digits.keras"),
        ("tensorflow", "saved_model.pb"),
        ("tensorflow", "1/saved_model.pb"),
        ("pytorch", "model.pt2"),
        ("sklearn", "model.skops"),
        ("onnx", "model.onnx"),
    ],
)
def test_the_model_is_found_beside_other_files(tmp_path: Path, framework: str, name: str) -> None:
    assert find(write(tmp_path, name, "README.md", "variables/data"), framework) == tmp_path / name


@pytest.mark.parametrize(
    ("framework", "names", "message"),
    [
        ("sklearn", ["model.pkl"], r"model\.pkl is a pickle, which runs .* Save the model with skops\.io\.dump"),
        ("sklearn", ["model.joblib"], r"model\.joblib is a pickle"),
        ("pytorch", ["model.pth"], r"model\.pth is a pickle of PyTorch's, .* Save the model with torch\.export\.save"),
        ("keras", ["model.h5"], r"model\.h5 is in Keras' old format, which may hold code\. .* model\.save"),
        ("onnx", [], r"holds no \*\.onnx \(found: nothing\)\. Save the model with onnx\.save"),
        ("onnx", ["a.onnx", "b.onnx"], r"several models \(a\.onnx, b\.onnx\); it must hold one file"),
    ],
)
def test_what_is_refused_comes_with_the_way_out(tmp_path: Path, framework: str, names: list[str], message: str) -> None:
    with pytest.raises(ExportError, match=message):
        find(write(tmp_path, *names), framework)


def test_the_digest_of_a_folder_is_what_the_documented_command_prints(tmp_path: Path) -> None:
    write(tmp_path, "model.onnx", "Z/1", "a b/c", "\u00e9", "a-b")
    command = "find . -type f -printf '%P\\0' | LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum"
    printed = subprocess.run(["bash", "-c", command], cwd=tmp_path, check=True, capture_output=True, text=True).stdout
    assert fetch.tree_digest(tmp_path) == printed.split()[0]


@pytest.mark.parametrize("artifact", [f"ftp://models/churn{PIN}", "gs://models/churn", "s3://models/churn@main"])
def test_a_store_that_is_not_known_or_a_missing_pin_is_refused(tmp_path: Path, artifact: str) -> None:
    with pytest.raises(ExportError, match=r"must be s3://, gs://, oci:// or mlflow://\.\.\.@sha256:<digest>, or hf://"):
        fetch.fetch(artifact, tmp_path)


@pytest.mark.parametrize("name", ["../model.onnx", "/etc/model.onnx", "a/../../b", ""])
def test_a_file_outside_of_the_artifact_is_refused(name: str) -> None:
    with pytest.raises(ExportError, match="lies outside of its folder"):
        fetch._inside(name, name)


def test_credentials_become_what_the_clients_read(tmp_path: Path) -> None:
    environ: dict[str, str] = {}
    text = '{"variables": {"AWS_REGION": "eu"}, "files": {"AWS_CONFIG_FILE": "[x]", "DOCKER_CONFIG": "{}"}}'
    fetch.use_access(text, environ, tmp_path)
    assert environ["AWS_REGION"] == "eu"
    assert Path(environ["AWS_CONFIG_FILE"]).read_text() == "[x]"
    assert (Path(environ["DOCKER_CONFIG"]) / "config.json").read_text() == "{}"


def test_a_folder_that_does_not_train_needs_no_train(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text("MINIMUM_R2 = 0.5\ndef held_out(): return [[1.0]], [1.0]\n")
    folder = load_folder(tmp_path, trains=False)
    assert folder.load_held_out(["x"]).labels.tolist() == [1.0]
    with pytest.raises(ExportError, match=r"no function train\(\)"):
        load_folder(tmp_path)
