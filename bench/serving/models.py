"""The benchmark's two models with contracts: digits from its training code, MobileNetV2 with random weights."""

import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from model.exporter import contract
from tests.support.workspace import ROOT
from toolchain import paths, venv

IMAGE = (1, 3, 224, 224)

# Expansion, output channels, repetitions, stride of the first: table 2 of https://arxiv.org/abs/1801.04381.
_BLOCKS = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))


def digits() -> Path:
    """The folder of the trained digits model, exported once into the cache folder."""
    source = ROOT / "model/digits"
    sources = sorted(path for path in source.rglob("*") if path.suffix in {".py", ".txt"})
    key = hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()[:12]
    folder = paths.cache() / "bench" / f"digits-{key}"
    if not (folder / "contract.json").exists():
        python = venv.ensure(ROOT / "model/exporter/requirements/keras.txt")
        install = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*install, "--requirement", str(source / "requirements.txt")], check=True)
        with tempfile.TemporaryDirectory() as scratch:
            command = [str(python), "-W", "ignore", "-m", "exporter", str(source), f"{scratch}/model"]
            environment = {
                **os.environ,
                "PYTHONPATH": str(ROOT / "model"),
                "CUDA_VISIBLE_DEVICES": "",
                "PYTHONHASHSEED": "0",
            }
            subprocess.run([*command, "--framework", "keras"], check=True, env=environment, stdout=subprocess.DEVNULL)
            shutil.copytree(f"{scratch}/model", folder)
    return folder


def saved_model(folder: Path) -> None:
    """Lays the model of `digits()` with the same weights as TensorFlow's SavedModel beside its folder."""
    target = folder.with_name(f"{folder.name}-saved_model")
    if target.exists():
        return
    # The training repeats itself bit by bit; the benchmark compares the answers all the same.
    code = (
        "import sys; from pathlib import Path; from exporter import keras_framework; keras_framework.prepare(); "
        "from exporter.folder import load_folder; model = load_folder(Path(sys.argv[1])).train(); "
        "model.export(sys.argv[2], format='tf_saved_model', verbose=False)"
    )
    python = venv.ensure(ROOT / "model/exporter/requirements/keras.txt")
    with tempfile.TemporaryDirectory() as scratch:
        command = [str(python), "-W", "ignore", "-c", code, str(ROOT / "model/digits"), f"{scratch}/saved_model"]
        environment = {**os.environ, "PYTHONPATH": str(ROOT / "model"), "PYTHONHASHSEED": "0"}
        subprocess.run(command, check=True, env=environment, stdout=subprocess.DEVNULL)
        shutil.copytree(f"{scratch}/saved_model", target)


def mobilenet(folder: Path) -> Path:
    """MobileNetV2 (1.0, 224) with random weights, each layer scaled on random images so that answers differ.

    Untrained and uncalibrated it answers 0.001 for every class, so that any server would look right. The contract's
    answers are those of ONNX Runtime without its optimisations: this model has no framework.
    """
    model = _network(np.random.default_rng(0))
    folder.mkdir(parents=True)
    (folder / "model.onnx").write_bytes(model.SerializeToString())
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(folder / "model.onnx", options, providers=["CPUExecutionProvider"])
    images = [np.random.default_rng(seed).standard_normal(IMAGE).astype(np.float32) for seed in (1, 2)]
    answers = [np.asarray(session.run(None, {"image": image})[0]) for image in images]
    if np.abs(answers[0] - answers[1]).max() < 0.01:
        raise RuntimeError("MobileNetV2 answers the same to different images: it proves nothing")
    contract.write_contract(
        folder,
        signature={
            "inputs": [{"name": "image", "datatype": "FP32", "shape": [-1, *IMAGE[1:]]}],
            "outputs": [{"name": "probabilities", "datatype": "FP32", "shape": [-1, 1000]}],
        },
        goldens=[contract.golden({"image": i}, {"probabilities": a}) for i, a in zip(images, answers, strict=True)],
        metrics={},
        framework={"name": "onnxruntime", "versions": {"onnxruntime": onnxruntime.__version__}},
    )
    return folder


class _Graph:
    """A network that grows by one layer at a time, each scaled to the values that reach it."""

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []
        # What each layer gives for a few random images, for the next one to be scaled on.
        self._values = {"image": rng.standard_normal((4, *IMAGE[1:])).astype(np.float32)}

    def constant(self, name: str, values: Any) -> str:
        self.weights.append(numpy_helper.from_array(np.asarray(values), name))
        return name

    def node(self, kind: str, inputs: list[str], name: str, **attributes: Any) -> str:
        node = helper.make_node(kind, inputs, [name], **attributes)
        self.nodes.append(node)
        known = [value for value in inputs if value in self._values]
        graph = helper.make_graph(
            [node],
            "layer",
            [helper.make_tensor_value_info(value, TensorProto.FLOAT, self._values[value].shape) for value in known],
            [helper.make_tensor_value_info(name, TensorProto.FLOAT, None)],
            [weight for weight in self.weights if weight.name in inputs],
        )
        session = onnxruntime.InferenceSession(_model(graph).SerializeToString(), providers=["CPUExecutionProvider"])
        self._values[name] = np.asarray(session.run(None, {value: self._values[value] for value in known})[0])
        return name

    def convolution(self, source: str, channels: int, size: int, stride: int, groups: int, *, activate: bool) -> str:
        """Convolution, batch normalisation (mean 0, variance 1 on the random images), ReLU6."""
        name = f"conv{len(self.nodes)}"
        before = self._values[source].shape[1]
        shape = (channels, before // groups, size, size)
        kernel = self.constant(f"{name}_w", self._rng.standard_normal(shape).astype(np.float32) / 8)
        options = {"strides": [stride] * 2, "pads": [size // 2] * 4, "group": groups}
        out = self.node("Conv", [source, kernel], name, **options)
        values = self._values[out]
        mean, variance = values.mean(axis=(0, 2, 3)), values.var(axis=(0, 2, 3))
        one, zero = np.ones(channels, np.float32), np.zeros(channels, np.float32)
        terms = {"scale": one, "bias": zero, "mean": mean, "variance": variance}
        constants = [self.constant(f"{name}_{key}", value) for key, value in terms.items()]
        out = self.node("BatchNormalization", [out, *constants], f"{name}_bn")
        if activate:
            limits = [self.constant(f"{name}_0", np.float32(0)), self.constant(f"{name}_6", np.float32(6))]
            out = self.node("Clip", [out, *limits], f"{name}_relu")
        return out

    def channels(self, name: str) -> int:
        return self._values[name].shape[1]


def _network(rng: np.random.Generator) -> onnx.ModelProto:
    graph = _Graph(rng)
    out = graph.convolution("image", 32, 3, 2, 1, activate=True)
    for expansion, channels, count, first_stride in _BLOCKS:
        for index in range(count):
            source, stride = out, first_stride if index == 0 else 1
            if expansion > 1:
                out = graph.convolution(out, graph.channels(out) * expansion, 1, 1, 1, activate=True)
            out = graph.convolution(out, graph.channels(out), 3, stride, graph.channels(out), activate=True)
            out = graph.convolution(out, channels, 1, 1, 1, activate=False)
            if stride == 1 and graph.channels(source) == channels:
                out = graph.node("Add", [source, out], f"{out}_sum")
    out = graph.convolution(out, 1280, 1, 1, 1, activate=True)
    out = graph.node("GlobalAveragePool", [out], "pooled")
    out = graph.node("Flatten", [out], "flat")
    weights = graph.constant("classes", rng.standard_normal((1280, 1000)).astype(np.float32) / 4)
    out = graph.node("MatMul", [out, weights], "logits")
    graph.node("Softmax", [out], "probabilities", axis=1)
    return _model(
        helper.make_graph(
            graph.nodes,
            "mobilenet_v2",
            [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["batch", *IMAGE[1:]])],
            [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["batch", 1000])],
            graph.weights,
        )
    )


def _model(graph: onnx.GraphProto) -> onnx.ModelProto:
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 15)], ir_version=8)
