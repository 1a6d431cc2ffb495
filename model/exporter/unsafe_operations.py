"""Finds operations of a SavedModel that reach outside of its graph: whoever asks the model would run them."""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from .errors import ExportError

UNSAFE = {
    r"(Eager)?PyFunc(Stateless)?": "runs Python",
    r"ReadFile|WriteFile|RecordInput|LoadAndRemapMatrix|GenerateVocabRemapping|FixedUnigramCandidateSampler|"
    r"(Whole)?\w*Reader(V2)?|\w*Dataset(V\d)?|Dataset\w+|\w*Snapshot\w+": "reads or writes files",
    r"MatchingFiles|FileSystemSetConfiguration|DumpTensor": "reaches into the file system",
    r"Print(V2)?|Debug(Gradient)?(Ref)?(Identity|NanCount|NumericSummary)(V\d)?": "writes values into logs or files",
    r"(Create|Write|Flush|Close)\w*Summary\w*": "writes summaries",
    r"Rpc\w+|RemoteCall|XlaCustomCall(V2)?": "calls other programs",
}
"""Names of operations (whole) -> what they do."""

CHECKPOINT = re.compile(
    r"(Save|Restore)(V2|Slices?|Dataset)?|MergeV2Checkpoints|CheckpointHas\w+|D(istributed|Tensor)\w*(Save|Restore)\w*"
)
"""What reads and writes weights, by paths that it is given: a SavedModel's own saver, and nothing else, needs it."""


def refuse_unsafe(folder: Path) -> None:
    """Raises: ExportError: the SavedModel in `folder` cannot be read, or holds an operation that reaches outside."""
    from tensorflow.core.protobuf import saved_model_pb2

    saved = saved_model_pb2.SavedModel()
    try:
        saved.ParseFromString((folder / "saved_model.pb").read_bytes())
    except Exception as error:  # protobuf's own
        raise ExportError(f"{folder.name}/saved_model.pb is not a SavedModel: {error}") from error
    for graph in saved.meta_graphs:
        for node, does in _unsafe(graph):
            raise ExportError(
                f"the SavedModel is not safe: operation {node.op} ({node.name}) {does}. "
                "Save a function that computes from its inputs alone; what prepares them belongs to the client, or "
                "into TensorFlow operations"
            )


def _unsafe(graph: Any) -> Iterator[tuple[Any, str]]:
    """The unsafe nodes of a MetaGraphDef, each with what it does."""
    top = {node.name: node for node in graph.graph_def.node}
    functions = {function.signature.name: function for function in graph.graph_def.library.function}
    for node in (*top.values(), *(node for function in functions.values() for node in function.node_def)):
        for pattern, does in UNSAFE.items():
            if re.fullmatch(pattern, node.op):
                yield node, does

    # The saver's part of the graph, less what a request or the start of the model may reach.
    saver = _upstream([graph.saver_def.save_tensor_name, graph.saver_def.restore_op_name], top)
    asked = [info.name for signature in graph.signature_def.values() for info in signature.outputs.values()]
    saver -= _upstream(asked, top)
    own = _called((top[name] for name in saver), functions)
    others = [function for name, function in functions.items() if name not in own]
    own -= _called((node for function in others for node in function.node_def), functions)
    own -= _called((node for name, node in top.items() if name not in saver), functions)
    nodes = [node for name, node in top.items() if name not in saver]
    nodes += [node for name, function in functions.items() if name not in own for node in function.node_def]
    yield from ((node, "reads or writes files") for node in nodes if CHECKPOINT.fullmatch(node.op))


def _upstream(tensors: Iterable[str], nodes: dict[str, Any]) -> set[str]:
    """The names of the nodes that the tensors are computed from."""
    found: set[str] = set()
    waiting = list(tensors)
    while waiting:
        name = waiting.pop().removeprefix("^").partition(":")[0]
        if name in nodes and name not in found:
            found.add(name)
            waiting += nodes[name].input
    return found


def _called(nodes: Iterable[Any], functions: dict[str, Any]) -> set[str]:
    """The names of the functions that the nodes call, directly or not."""
    found: set[str] = set()
    waiting = list(nodes)
    while waiting:
        node = waiting.pop()
        named = [node.op]
        for value in node.attr.values():
            named += [value.func.name, *(function.name for function in value.list.func)]
        for name in named:
            if name in functions and name not in found:
                found.add(name)
                waiting += functions[name].node_def
    return found
