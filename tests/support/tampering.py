"""Models that are wrong in one known way, made from a good image: the product has no switch that makes it fail."""

import hashlib
import json

import numpy as np
import onnx
from onnx import numpy_helper

from tests.support.registry import Image


def with_one_wrong_weight(good: Image) -> Image:
    """A copy of the image with one weight changed and the contract's hashes recomputed.

    The files agree with their hashes, so nothing but a prediction can tell that the model is not the one that was
    trained.
    """

    def change(files: dict[str, bytes]) -> None:
        weights = next(name for name in files if name.endswith("model.onnx"))
        contract = next(name for name in files if name.endswith("contract.json"))
        model = onnx.load_from_string(files[weights])
        # The last bias shifts one class's score for every input: the change no golden request can miss.
        initializer = [i for i in model.graph.initializer if len(i.dims) == 1][-1]
        values = numpy_helper.to_array(initializer).copy()
        values[0] += 10.0
        initializer.CopyFrom(numpy_helper.from_array(values, initializer.name))
        files[weights] = model.SerializeToString()
        stated = json.loads(files[contract])
        stated["files"]["model.onnx"] = hashlib.sha256(files[weights]).hexdigest()
        files[contract] = json.dumps(stated).encode()

    return good.with_last_layer(change)


def with_one_flipped_byte(good: Image) -> Image:
    """A copy of the image whose weights differ by one byte from what the contract's hash says."""

    def change(files: dict[str, bytes]) -> None:
        weights = next(name for name in files if name.endswith("model.onnx"))
        content = bytearray(files[weights])
        content[len(content) // 2] ^= 1
        files[weights] = bytes(content)

    return good.with_last_layer(change)


def failing_for_bright_pixels(good: Image) -> Image:
    """A copy of the image whose model asks for more memory than there are addresses where an input is above 1000.

    All other answers are as before, and its contract holds no such input: the server takes it, and answers that
    request with 503.
    """

    def change(files: dict[str, bytes]) -> None:
        weights = next(name for name in files if name.endswith("model.onnx"))
        contract = next(name for name in files if name.endswith("contract.json"))
        model = onnx.load_from_string(files[weights])
        graph, make = model.graph, onnx.helper.make_node
        output = graph.output[0].name
        for node in graph.node:
            node.output[:] = ["good" if name == output else name for name in node.output]
        constants = {"bright": np.float32(1000), "memory": np.int64(10**15), "one": np.array([1], np.int64)}
        graph.initializer.extend(numpy_helper.from_array(np.array(value), name) for name, value in constants.items())
        graph.node.extend(
            [
                make("ReduceMax", [graph.input[0].name], ["brightest"], keepdims=0),
                make("Greater", ["brightest", "bright"], ["is_bright"]),
                make("Cast", ["is_bright"], ["factor"], to=onnx.TensorProto.INT64),
                make("Mul", ["factor", "memory"], ["size"]),
                make("Reshape", ["size", "one"], ["shape"]),
                make("ConstantOfShape", ["shape"], ["huge"]),
                make("ReduceSum", ["huge"], ["nothing"], keepdims=0),
                make("Add", ["good", "nothing"], [output]),
            ]
        )
        files[weights] = model.SerializeToString()
        stated = json.loads(files[contract])
        stated["files"]["model.onnx"] = hashlib.sha256(files[weights]).hexdigest()
        files[contract] = json.dumps(stated).encode()

    return good.with_last_layer(change)
