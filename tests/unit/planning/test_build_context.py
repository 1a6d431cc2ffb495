"""The staged build context: the same on every machine, and no more than a build needs."""

import hashlib
import os
from pathlib import Path

import pytest

from components.planning.build_context import BuildContextError, collect, stage

SOURCE = Path("model/digits")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return project(tmp_path / "project")


def project(root: Path) -> Path:
    for name, text in {
        "model/Dockerfile": "FROM scratch\n",
        "model/exporter/__main__.py": "export()\n",
        "model/exporter/parts/onnx.py": "onnx()\n",
        "model/server/app.py": "serve()\n",
        "model/digits/train.py": "train()\n",
        "model/iris/train.py": "other()\n",
    }.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def files(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): path.read_text() for path in sorted(folder.rglob("*")) if path.is_file()}


def fingerprint(folder: Path) -> str:
    """Names, contents and modes, as the docker-build plugin hashes them."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        digest.update(f"{path.relative_to(folder)} {path.stat().st_mode:o}\n".encode())
        if path.is_file():
            digest.update(path.read_bytes())
    return digest.hexdigest()


def test_what_a_build_gets(root: Path) -> None:
    context = stage("digits", SOURCE, root=root)
    assert context == Path(".build/digits")
    assert files(root / context) == {
        "Dockerfile": "FROM scratch\n",
        "exporter/__main__.py": "export()\n",
        "exporter/parts/onnx.py": "onnx()\n",
        "server/app.py": "serve()\n",
        "source/train.py": "train()\n",
    }


def test_a_finished_model_joins_it_and_leaves_it(root: Path) -> None:
    (root / "saved/variables").mkdir(parents=True)
    (root / "saved/saved_model.pb").write_text("graph\n")
    (root / "saved/variables/data").write_text("weights\n")
    context = root / stage("digits", SOURCE, artifact=Path("saved"), root=root)
    assert (context / "artifact/saved_model.pb").read_text() == "graph\n"
    assert (context / "artifact/variables/data").read_text() == "weights\n"
    stage("digits", SOURCE, root=root)
    assert not (context / "artifact").exists()


def test_leftovers_of_python_editors_and_systems_are_no_part_of_it(root: Path) -> None:
    clean = fingerprint(root / stage("digits", SOURCE, root=root))
    for name in ("__pycache__/train.cpython-311.pyc", ".DS_Store", ".idea/x.xml", "old.pyc"):
        (root / SOURCE / name).parent.mkdir(exist_ok=True)
        (root / SOURCE / name).write_text("leftover")
    assert fingerprint(root / stage("digits", SOURCE, root=root)) == clean


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077, 0o027])
def test_the_same_from_another_clone_with_another_umask(root: Path, tmp_path: Path, umask: int) -> None:
    here = fingerprint(root / stage("digits", SOURCE, root=root))
    before = os.umask(umask)
    try:
        other = project(tmp_path / "another place")
        (other / "model/exporter/__main__.py").chmod(0o700)
        there = fingerprint(other / stage("digits", SOURCE, root=other))
    finally:
        os.umask(before)
    assert there == here
    assert (other / ".build/digits/exporter/__main__.py").stat().st_mode & 0o777 == 0o644
    assert (other / ".build/digits/exporter").stat().st_mode & 0o777 == 0o755


def test_nothing_is_written_when_nothing_changed(root: Path) -> None:
    context = root / stage("digits", SOURCE, root=root)
    before = {path: path.stat().st_ctime_ns for path in context.rglob("*")}
    stage("digits", SOURCE, root=root)
    assert {path: path.stat().st_ctime_ns for path in context.rglob("*")} == before


def test_changes_and_removals_arrive(root: Path) -> None:
    context = root / stage("digits", SOURCE, root=root)
    (root / "model/digits/train.py").write_text("TRAIN()\n")  # same length as before
    (root / "model/exporter/parts/onnx.py").unlink()
    (root / "model/exporter/parts").rmdir()
    (root / "model/exporter/parts").write_text("now a file\n")
    (root / "model/server/app.py").unlink()
    (root / "model/server/app.py").mkdir()
    (root / "model/server/app.py/inner.py").write_text("now a folder\n")
    stage("digits", SOURCE, root=root)
    assert files(context) == {
        "Dockerfile": "FROM scratch\n",
        "exporter/__main__.py": "export()\n",
        "exporter/parts": "now a file\n",
        "server/app.py/inner.py": "now a folder\n",
        "source/train.py": "TRAIN()\n",
    }


def test_a_mode_changed_in_the_staging_folder_is_put_right(root: Path) -> None:
    context = root / stage("digits", SOURCE, root=root)
    (context / "Dockerfile").chmod(0o600)
    stage("digits", SOURCE, root=root)
    assert (context / "Dockerfile").stat().st_mode & 0o777 == 0o644


def test_two_models_do_not_touch_each_other(root: Path) -> None:
    digits = root / stage("digits", SOURCE, root=root)
    before = fingerprint(digits)
    iris = root / stage("iris", Path("model/iris"), root=root)
    assert fingerprint(digits) == before
    assert (iris / "source/train.py").read_text() == "other()\n"
    assert sorted(path.name for path in (root / ".build").iterdir()) == ["digits", "iris"]


def test_links_to_files_are_followed(root: Path, tmp_path: Path) -> None:
    (tmp_path / "weights.bin").write_text("weights")
    (root / SOURCE / "weights.bin").symlink_to(tmp_path / "weights.bin")
    staged = root / stage("digits", SOURCE, root=root) / "source/weights.bin"
    assert not staged.is_symlink()
    assert staged.read_text() == "weights"


def test_links_to_folders_or_to_nothing_are_refused_with_their_name(root: Path, tmp_path: Path) -> None:
    (root / SOURCE / "data").symlink_to(tmp_path)
    with pytest.raises(BuildContextError, match="model/digits/data is neither a file nor a folder"):
        stage("digits", SOURCE, root=root)
    (root / SOURCE / "data").unlink()
    (root / SOURCE / "gone.bin").symlink_to(tmp_path / "nothing")
    with pytest.raises(BuildContextError, match=r"model/digits/gone\.bin is neither"):
        stage("digits", SOURCE, root=root)


def test_a_missing_part_of_the_project_is_named(root: Path) -> None:
    (root / "model/Dockerfile").unlink()
    with pytest.raises(BuildContextError, match="model/Dockerfile does not exist"):
        stage("digits", SOURCE, root=root)


def test_files_come_in_the_same_order_everywhere(tmp_path: Path) -> None:
    for name in ("b", "a", "C", "a/1"):
        (tmp_path / "part" / name).parent.mkdir(parents=True, exist_ok=True)
        if name != "a":
            (tmp_path / "part" / name).touch()
    listed = list(collect({"part": tmp_path / "part"}))
    assert listed == [Path("part/C"), Path("part/a/1"), Path("part/b")]
