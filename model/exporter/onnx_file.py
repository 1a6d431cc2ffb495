"""The exported ONNX file: a canonical form, its signature, and its answers."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import onnx
import onnxruntime

from .contract import datatype
from .errors import ConversionError, ExportError
from .folder import Arrays

BATCH = "batch"


def canonicalise(path: Path, output_names: Sequence[str]) -> None:
    """Rewrites the file so that the same model gives the same bytes, with the source's output names.

    tf2onnx numbers the values in between, and those it drops as doubles, in an order that changes from run to run.

    Raises: ExportError: it has other outputs than the source, or a fixed batch size; ConversionError: the file is not
    a valid model.
    """
    model = onnx.load(path)
    graph = model.graph
    if len(graph.output) != len(output_names):
        raise ExportError(f"the export has {len(graph.output)} outputs; the source model has {len(output_names)}")
    for value in [*graph.input, *graph.output]:
        dimensions = value.type.tensor_type.shape.dim
        if not dimensions or dimensions[0].HasField("dim_value"):
            raise ExportError(
                f"{value.name}: the batch size is fixed in the export. Leave the model's first dimension open"
            )
        dimensions[0].dim_param = BATCH

    names = [value.name for value in graph.output]
    # A converter that keeps the source's names may still give them in another order.
    same = set(names) == set(output_names)
    outputs = dict(zip(names, names if same else output_names, strict=True))
    if any(attribute.type in _SUBGRAPHS for node in graph.node for attribute in node.attribute):
        # Loops and branches reach for outer values by name. Such a model keeps its names: it works, but its bytes vary.
        _rename(graph, outputs)
    else:
        _rename(graph, _names_by_place(graph, outputs))
        _sort_weights(graph)
    # What was inferred about values in between is not needed to run the model, and carries their old names.
    del graph.value_info[:]
    graph.name = "model"
    graph.doc_string = ""
    model.doc_string = ""
    try:
        onnx.checker.check_model(model, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise ConversionError(
            f"the exported ONNX is not valid: {error}. Layers in Python code have no ONNX form"
        ) from error
    path.write_bytes(model.SerializeToString(deterministic=True))


def _names_by_place(graph: onnx.GraphProto, outputs: dict[str, str]) -> dict[str, str]:
    """New names by old ones: values are numbered in the order of their first use, inputs and outputs are not."""
    names = {value.name: value.name for value in graph.input} | outputs
    for node in graph.node:
        # An empty name stands for an optional value that is left out.
        for value in filter(None, [*node.input, *node.output]):
            names.setdefault(value, f"_value_{len(names)}")
    return names


def _rename(graph: onnx.GraphProto, names: dict[str, str]) -> None:
    for index, node in enumerate(graph.node):
        node.name = f"{node.op_type}_{index}"
        node.doc_string = ""
        for values in (node.input, node.output):
            values[:] = [names.get(value, value) for value in values]
    for value in [*graph.initializer, *graph.output]:
        value.name = names.get(value.name, value.name)


def _sort_weights(graph: onnx.GraphProto) -> None:
    """Puts weights into the order of their use, and drops those that no node uses any more."""
    used = [value for node in graph.node for value in node.input]
    weights = {weight.name: weight.SerializeToString(deterministic=True) for weight in graph.initializer}
    del graph.initializer[:]
    graph.initializer.extend(
        onnx.TensorProto.FromString(weights[name]) for name in dict.fromkeys(used) if name in weights
    )


_SUBGRAPHS = (onnx.AttributeProto.GRAPH, onnx.AttributeProto.GRAPHS)


class OnnxModel:
    """The exported file in the runtime that will serve it."""

    def __init__(self, path: Path) -> None:
        """Raises: ConversionError: ONNX Runtime cannot load the file."""
        try:
            self._session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        except Exception as error:  # its exceptions share no base of their own
            raise ConversionError(f"ONNX Runtime cannot load the exported model: {error}") from error
        self._graph = onnx.load(path, load_external_data=False).graph

    def signature(self) -> dict[str, Any]:
        """Inputs and outputs as the contract states them; -1 is a dimension that the client chooses."""
        return {"inputs": _tensors(self._graph.input), "outputs": _tensors(self._graph.output)}

    def predict(self, inputs: Arrays) -> Arrays:
        """Answers by output name."""
        names = [output.name for output in self._session.get_outputs()]
        # onnxruntime's types allow for sparse tensors, sequences and maps; parity would fail for them.
        return cast(Arrays, dict(zip(names, self._session.run(names, inputs), strict=True)))


def _tensors(values: Sequence[onnx.ValueInfoProto]) -> list[dict[str, Any]]:
    return [
        {
            "name": value.name,
            "datatype": datatype(onnx.helper.tensor_dtype_to_np_dtype(value.type.tensor_type.elem_type)),
            "shape": [
                dimension.dim_value if dimension.HasField("dim_value") else -1
                for dimension in value.type.tensor_type.shape.dim
            ],
        }
        for value in values
    ]
