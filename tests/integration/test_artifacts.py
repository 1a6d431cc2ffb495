"""Finished models from a folder, a store like S3, MLflow, a registry; and what is refused because it could run code.

The stores are real ones of their kind on this machine.
"""

import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import onnx
import pytest

from components.planning import artifact_access
from model.iris.train import train as train_iris
from tests.support.building import build_model
from tests.support.cluster import LocalCluster
from tests.support.hub import hub
from tests.support.registry import digest
from tests.support.services import free_port
from tests.support.workspace import ROOT
from toolchain import venv

pytestmark = [pytest.mark.integration, pytest.mark.shared]

HERE = Path(__file__).parent
Build = Callable[..., tuple[Path, subprocess.CompletedProcess[str]]]
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a finished ONNX model, and the folder `checks` that judges it, which trains nothing."""
    home = tmp_path_factory.mktemp("finished")
    (home / "model").mkdir()
    onnx.save(train_iris(), home / "model/model.onnx")
    (home / "model/README.md").write_text("Trained elsewhere.\n")
    shutil.copytree(ROOT / "model/iris", home / "checks")
    (home / "checks/train.py").write_text(
        "from .data import load\nMINIMUM_ACCURACY = 0.9\n\n\n"
        "def held_out():\n    _, split = load()\n    return split.measures, split.labels\n"
    )
    return home


@pytest.fixture(scope="module")
def build(finished: Path, local_cluster: LocalCluster, tmp_path_factory: pytest.TempPathFactory) -> Build:
    """`build("s3://...", environ)` builds from that artifact as the program would; gives the folder and the log."""

    def call(
        artifact: str, environ: dict[str, str] | None = None, framework: str = "onnx"
    ) -> tuple[Path, subprocess.CompletedProcess[str]]:
        out = tmp_path_factory.mktemp("out")
        done = build_model(
            finished / "checks",
            framework,
            out,
            local_cluster.env,
            artifact=None if "://" in artifact else Path(artifact),
            arguments={"ARTIFACT_KIND": artifact_access.kind(artifact), "ARTIFACT": artifact},
            secrets={"artifact_access": artifact_access.access(artifact, environ or {"HOME": str(finished)})},
        )
        return out, done

    return call


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], dict[str, str]]]:
    """`stores(script)` runs Python with clients `s3` and `gs` of two stores; returns the environment to reach them."""
    home = tmp_path_factory.mktemp("store")
    programs = installed("stores")
    ports = [free_port(), free_port()]
    environ = {
        "HOME": str(home),
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{ports[0]}",
        "AWS_ACCESS_KEY_ID": "tester",
        "AWS_SECRET_ACCESS_KEY": "canary-of-the-store",
        "AWS_REGION": "eu-central-1",
        "STORAGE_EMULATOR_HOST": f"http://127.0.0.1:{ports[1]}",
    }
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": home}
    servers = [
        subprocess.Popen([programs / "moto_server", "-H", "127.0.0.1", "-p", str(ports[0])], **quiet),
        subprocess.Popen(
            [programs / "gcp-storage-emulator", "start", "--host", "127.0.0.1", "--port", str(ports[1]), "--in-memory"],
            **quiet,
        ),
    ]

    def run(script: str) -> dict[str, str]:
        clients = (
            "import boto3\nfrom google.cloud import storage\ns3 = boto3.client('s3', region_name='us-east-1')\n"
            "gs = storage.Client.create_anonymous_client()\ngs.project = 'tests'\n"
        )
        subprocess.run([programs / "python", "-c", clients + script], env={**os.environ, **environ}, check=True)
        return environ

    try:
        deadline = time.monotonic() + 30
        for server, port in zip(servers, ports, strict=True):
            while not answers(port):
                assert server.poll() is None, "the store ended at once"
                assert time.monotonic() < deadline, "the store does not answer"
                time.sleep(0.1)
        yield run
    finally:
        for server in servers:
            server.terminate()
            server.wait()


@pytest.fixture(scope="module")
def mlflow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, dict[str, str]]]:
    """The folder of MLflow's programs, and the environment to reach a server, which hands on the files itself."""
    home = tmp_path_factory.mktemp("mlflow")
    programs = installed("mlflow")
    port = free_port()
    environ = {
        "HOME": str(home),
        "MLFLOW_TRACKING_URI": f"http://127.0.0.1:{port}",
        "MLFLOW_TRACKING_USERNAME": "tester",
        "MLFLOW_TRACKING_PASSWORD": "canary-of-mlflow",
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }
    files = ["--backend-store-uri", f"sqlite:///{home}/runs.sqlite", "--artifacts-destination", str(home / "files")]
    server = subprocess.Popen(
        [programs / "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1", *files],
        # Without the processes that would run jobs, of which each imports all of MLflow.
        env={**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd=home,
    )
    try:
        deadline = time.monotonic() + 300
        while not answers(port):
            assert server.poll() is None, "MLflow ended at once"
            assert time.monotonic() < deadline, "MLflow does not answer"
            time.sleep(0.1)
        yield programs, environ
    finally:
        server.terminate()
        server.wait()


def installed(name: str) -> Path:
    """The programs of a virtual environment with the requirements of that name."""
    return venv.ensure(HERE / name / "requirements.txt").parent


def answers(port: int) -> bool:
    try:
        httpx.get(f"http://127.0.0.1:{port}", timeout=2)
    except httpx.TransportError:
        return False
    return True


def assert_is_the_finished_model(out: Path, done: subprocess.CompletedProcess[str], finished: Path) -> None:
    assert done.returncode == 0, done.stdout
    contract = json.loads((out / "contract.json").read_text())
    assert contract["metrics"]["held_out_accuracy"] >= 0.9
    weights = {w.name: w.SerializeToString() for w in onnx.load(finished / "model/model.onnx").graph.initializer}
    built = onnx.load(out / "model.onnx").graph.initializer
    assert sorted(w.raw_data for w in built) == sorted(
        onnx.TensorProto.FromString(w).raw_data for w in weights.values()
    )


def refused(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode != 0
    [line] = {line.partition("export failed: ")[2] for line in done.stdout.splitlines() if " export failed: " in line}
    return line


def tree_digest(folder: Path) -> str:
    command = "find . -type f -printf '%P\\0' | LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum"
    return subprocess.run(["bash", "-c", command], cwd=folder, capture_output=True, text=True).stdout.split()[0]


def test_from_a_folder(build: Build, finished: Path) -> None:
    assert_is_the_finished_model(*build(str(finished / "model")), finished)


FILES = ("model.onnx", "README.md")


def test_from_a_store_pinned_by_content(build: Build, stores: Callable[[str], dict[str, str]], finished: Path) -> None:
    environ = stores(
        "s3.create_bucket(Bucket='models')\n"
        + "".join(f"s3.upload_file({str(finished / 'model' / n)!r}, 'models', 'iris/7/{n}')\n" for n in FILES)
    )
    pin = tree_digest(finished / "model")
    assert_is_the_finished_model(*build(f"s3://models/iris/7/@sha256:{pin}", environ), finished)
    one = digest((finished / "model/model.onnx").read_bytes())
    assert_is_the_finished_model(*build(f"s3://models/iris/7/model.onnx@{one}", environ), finished)

    stores("s3.put_object(Bucket='models', Key='iris/7/README.md', Body=b'Trained somewhere else.')")
    out, done = build(f"s3://models/iris/7/@sha256:{pin[::-1]}", environ)
    assert f"not the sha256:{pin[::-1]} that the stack file pins" in refused(done)
    assert not list(out.iterdir())
    _, done = build(f"s3://models/iris/8/@sha256:{pin}", environ)
    assert "s3://models/iris/8/: nothing there" in refused(done)
    _, done = build(f"s3://nothing/iris/7/model.onnx@sha256:{pin}", environ)
    assert "ClientError" in refused(done)
    assert "canary" not in done.stdout


def test_from_googles_store(build: Build, stores: Callable[[str], dict[str, str]], finished: Path) -> None:
    environ = stores(
        "bucket = gs.create_bucket('models')\n"
        + "".join(f"bucket.blob('iris/7/{n}').upload_from_filename({str(finished / 'model' / n)!r})\n" for n in FILES)
    )
    pin = tree_digest(finished / "model")
    assert_is_the_finished_model(*build(f"gs://models/iris/7/@sha256:{pin}", environ), finished)
    assert "gs://models/iris/8/: nothing there" in refused(build(f"gs://models/iris/8/@sha256:{pin}", environ)[1])
    one = digest((finished / "model/README.md").read_bytes())
    _, done = build(f"gs://models/iris/7/model.onnx@{one}", environ)
    assert f"not the {one} that the stack file pins" in refused(done)


MLFLOW = """
import sys
from pathlib import Path
import mlflow
from sklearn.linear_model import LogisticRegression

with mlflow.start_run() as run:
    mlflow.log_artifacts(sys.argv[1], "model")
    client = mlflow.MlflowClient()
    client.create_registered_model("iris")
    client.create_model_version("iris", f"runs:/{run.info.run_id}/model", run.info.run_id)
    pickled = LogisticRegression().fit([[0], [1]], [0, 1])
    mlflow.sklearn.log_model(
        pickled, name="pickled", serialization_format="cloudpickle", registered_model_name="pickled"
    )
    Path(sys.argv[2]).write_text(run.info.run_id)  # what is printed is MLflow's own
"""


def test_from_mlflow(build: Build, mlflow: tuple[Path, dict[str, str]], finished: Path, tmp_path: Path) -> None:
    programs, environ = mlflow

    def run(*command: str | Path) -> None:
        subprocess.run(command, env={**os.environ, **environ}, cwd=tmp_path, check=True, stdout=subprocess.DEVNULL)

    run(programs / "python", "-c", MLFLOW, finished / "model", tmp_path / "run")
    run_id = (tmp_path / "run").read_text()
    pin = tree_digest(finished / "model")
    assert_is_the_finished_model(*build(f"mlflow://models/iris/1@sha256:{pin}", environ), finished)
    assert_is_the_finished_model(*build(f"mlflow://runs/{run_id}/model@sha256:{pin}", environ), finished)

    out, done = build(f"mlflow://models/iris/1@sha256:{pin[::-1]}", environ)
    assert f"its digest is sha256:{pin}, not the sha256:{pin[::-1]} that the stack file pins" in refused(done)
    assert not list(out.iterdir())
    _, done = build(f"mlflow://models/iris/2@sha256:{pin}", environ)
    assert "RESOURCE_DOES_NOT_EXIST: Model Version (name=iris, version=2) not found" in refused(done)
    assert "canary" not in done.stdout

    run(programs / "mlflow", "artifacts", "download", "-u", "models:/pickled/1", "-d", "pickled")
    _, done = build(f"mlflow://models/pickled/1@sha256:{tree_digest(tmp_path / 'pickled')}", environ, "sklearn")
    assert "model.pkl is a pickle, which runs whatever code it holds" in refused(done)
    assert "Save the model with skops.io.dump" in refused(done)


def test_from_a_hub(build: Build, finished: Path) -> None:
    revision = "0123456789abcdef0123456789abcdef01234567"
    with hub("acme/iris", revision, finished / "model") as url:
        environ = {"HOME": str(finished), "HF_ENDPOINT": url}
        assert_is_the_finished_model(*build(f"hf://acme/iris@{revision}", environ), finished)
        assert "RevisionNotFoundError" in refused(build(f"hf://acme/iris@{revision[::-1]}", environ)[1])


def test_from_a_registry(build: Build, local_cluster: LocalCluster, finished: Path) -> None:
    base = f"http://{local_cluster.registry}/v2/artifacts/iris"

    def push(content: bytes) -> dict[str, Any]:
        location = httpx.post(f"{base}/blobs/uploads/").raise_for_status().headers["Location"]
        url = httpx.URL(location).copy_merge_params({"digest": digest(content)})
        headers = {"Content-Type": "application/octet-stream"}
        httpx.put(url, content=content, headers=headers).raise_for_status()
        return {"digest": digest(content), "size": len(content)}

    def push_manifest(layers: list[dict[str, Any]]) -> str:
        empty = push(b"{}") | {"mediaType": "application/vnd.oci.empty.v1+json"}
        manifest = {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": empty, "layers": layers}
        body = json.dumps(manifest | {"artifactType": "application/vnd.example.model"}).encode()
        url = f"{base}/manifests/{digest(body)}"
        httpx.put(url, content=body, headers={"Content-Type": OCI_MANIFEST}).raise_for_status()
        return f"oci://{local_cluster.registry}/artifacts/iris@{digest(body)}"

    layer = push((finished / "model/model.onnx").read_bytes()) | {"mediaType": "application/octet-stream"}
    named = {"annotations": {"org.opencontainers.image.title": "model.onnx"}}
    assert_is_the_finished_model(*build(push_manifest([layer | named])), finished)

    outside = {"annotations": {"org.opencontainers.image.title": "../model.onnx"}}
    assert "'../model.onnx' lies outside of its folder" in refused(build(push_manifest([layer | outside]))[1])
    assert "not an artifact of files" in refused(build(push_manifest([layer]))[1])
    missing = f"oci://{local_cluster.registry}/artifacts/iris@sha256:{'0' * 64}"
    assert "the registry answers 404" in refused(build(missing)[1])


# What is appended to an example's train.py, so that its trained model goes through a file, as a finished one does.
SAVED = {
    ("digits", "keras"): "_trained().save(folder / 'model.keras')",
    ("cars", "sklearn"): "__import__('skops.io').io.dump(_trained(), folder / 'model.skops')",
    ("tumours", "pytorch"): (
        "torch.export.save(torch.export.export(_trained().eval(), (torch.ones(2, 30),), "
        "dynamic_shapes=({0: torch.export.Dim('batch')},)), folder / 'model.pt2')"
    ),
}
# The file with its weights replaced by a pickle that ends the build at once, were it ever read as one.
PICKLE_IN_PT2 = (
    SAVED["tumours", "pytorch"]
    + """
    import io, os, zipfile

    class Code:
        def __reduce__(self):
            return os._exit, (77,)

    code = io.BytesIO()
    torch.save(Code(), code)
    parts = {name: zipfile.ZipFile(folder / 'model.pt2').read(name) for name in
             zipfile.ZipFile(folder / 'model.pt2').namelist()}
    with zipfile.ZipFile(folder / 'model.pt2', 'w') as changed:
        for name, content in parts.items():
            changed.writestr(name, code.getvalue() if name.endswith('state_dict.pt') else content)
"""
)
UNSAFE = {
    ("digits", "keras"): (
        "keras.Sequential([keras.Input((8, 8)), keras.layers.Lambda(lambda x: x)]).save(folder / 'model.keras')",
        "Keras cannot read it in safe mode",
    ),
    ("cars", "sklearn"): (
        "__import__('pickle').dump(_trained(), open(folder / 'model.pkl', 'wb'))",
        "model.pkl is a pickle, which runs whatever code it holds when it is read. Save the model with skops.io.dump",
    ),
    ("tumours", "pytorch"): (
        "torch.save(_trained(), folder / 'model.pth')",
        "model.pth is a pickle of PyTorch's, or weights without their model. Save the model with torch.export.save",
    ),
}


def through_a_file(name: str, framework: str, save: str, folder: Path) -> Path:
    source = folder / f"{name}-from-a-file"
    shutil.copytree(ROOT / "model" / name, source)
    with (source / "train.py").open("a") as training:
        training.write(
            "\n\n_trained = train\n\n\ndef train():\n    import tempfile\n    from pathlib import Path\n\n"
            f"    from exporter.{framework}_framework import load\n\n"
            f"    folder = Path(tempfile.mkdtemp())\n    {save}\n    return load(folder)\n"
        )
    return source


@pytest.mark.parametrize(("name", "framework"), SAVED)
def test_a_finished_model_of_each_framework(
    name: str, framework: str, local_cluster: LocalCluster, tmp_path: Path
) -> None:
    source = through_a_file(name, framework, SAVED[name, framework], tmp_path)
    done = build_model(source, framework, tmp_path / "out", local_cluster.env)
    assert done.returncode == 0, done.stdout
    assert json.loads((tmp_path / "out/contract.json").read_text())["metrics"]["held_out_accuracy"] > 0.9


@pytest.mark.parametrize(
    ("name", "framework", "save", "reason"),
    [(*key, *case) for key, case in UNSAFE.items()]
    + [("tumours", "pytorch", PICKLE_IN_PT2, "model.pt2: PyTorch 2.6.0+debian cannot read it: UnpicklingError")],
)
def test_a_file_that_may_run_code_is_refused_with_the_way_out(
    name: str, framework: str, save: str, reason: str, local_cluster: LocalCluster, tmp_path: Path
) -> None:
    source = through_a_file(name, framework, save, tmp_path)
    done = build_model(source, framework, tmp_path / "out", local_cluster.env)
    assert reason in refused(done)
