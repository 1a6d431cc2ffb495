"""The messages of the Open Inference Protocol v2 and of gRPC's health checks, declared here by name, number and type.

They live in a pool of their own: any client library may bring the same messages into the same process. A test compares
them with those of a client.

https://github.com/kserve/open-inference-protocol/blob/main/specification/protocol/open_inference_grpc.proto
https://github.com/grpc/grpc-proto/blob/master/grpc/health/v1/health.proto
"""

from typing import Any

from google.protobuf import descriptor_pool, message_factory
from google.protobuf.descriptor_pb2 import DescriptorProto, FieldDescriptorProto, FileDescriptorProto

SERVICE = "inference.GRPCInferenceService"
HEALTH_SERVICE = "grpc.health.v1.Health"

_PARAMETERS = "map InferParameter"
_METADATA = "repeated TensorMetadata"
_MESSAGES: dict[str, dict[str, tuple[str, int]]] = {
    "ServerLiveRequest": {},
    "ServerLiveResponse": {"live": ("bool", 1)},
    "ServerReadyRequest": {},
    "ServerReadyResponse": {"ready": ("bool", 1)},
    "ModelReadyRequest": {"name": ("string", 1), "version": ("string", 2)},
    "ModelReadyResponse": {"ready": ("bool", 1)},
    "ServerMetadataRequest": {},
    "ServerMetadataResponse": {"name": ("string", 1), "version": ("string", 2), "extensions": ("repeated string", 3)},
    "ModelMetadataRequest": {"name": ("string", 1), "version": ("string", 2)},
    "TensorMetadata": {"name": ("string", 1), "datatype": ("string", 2), "shape": ("repeated int64", 3)},
    "ModelMetadataResponse": {
        "name": ("string", 1),
        "versions": ("repeated string", 2),
        "platform": ("string", 3),
        "inputs": (_METADATA, 4),
        "outputs": (_METADATA, 5),
    },
    "InferParameter": {
        "bool_param": ("oneof bool", 1),
        "int64_param": ("oneof int64", 2),
        "string_param": ("oneof string", 3),
        "double_param": ("oneof double", 4),
        "uint64_param": ("oneof uint64", 5),
    },
    "InferTensorContents": {
        "bool_contents": ("repeated bool", 1),
        "int_contents": ("repeated int32", 2),
        "int64_contents": ("repeated int64", 3),
        "uint_contents": ("repeated uint32", 4),
        "uint64_contents": ("repeated uint64", 5),
        "fp32_contents": ("repeated float", 6),
        "fp64_contents": ("repeated double", 7),
        "bytes_contents": ("repeated bytes", 8),
    },
    "InferTensor": {
        "name": ("string", 1),
        "datatype": ("string", 2),
        "shape": ("repeated int64", 3),
        "parameters": (_PARAMETERS, 4),
        "contents": ("InferTensorContents", 5),
    },
    "InferRequestedOutput": {"name": ("string", 1), "parameters": (_PARAMETERS, 2)},
    "ModelInferRequest": {
        "model_name": ("string", 1),
        "model_version": ("string", 2),
        "id": ("string", 3),
        "parameters": (_PARAMETERS, 4),
        "inputs": ("repeated InferTensor", 5),
        "outputs": ("repeated InferRequestedOutput", 6),
        "raw_input_contents": ("repeated bytes", 7),
    },
    "ModelInferResponse": {
        "model_name": ("string", 1),
        "model_version": ("string", 2),
        "id": ("string", 3),
        "parameters": (_PARAMETERS, 4),
        "outputs": ("repeated InferTensor", 5),
        "raw_output_contents": ("repeated bytes", 6),
    },
}
# The enumeration of `status` is a plain number on the wire.
_HEALTH_MESSAGES: dict[str, dict[str, tuple[str, int]]] = {
    "HealthCheckRequest": {"service": ("string", 1)},
    "HealthCheckResponse": {"status": ("int32", 1)},
}

SERVING, NOT_SERVING = 1, 2
"""Values of HealthCheckResponse.status."""


def _file(package: str, messages: dict[str, dict[str, tuple[str, int]]]) -> FileDescriptorProto:
    file = FileDescriptorProto(name=f"{package}.proto", package=package, syntax="proto3")
    for name, fields in messages.items():
        message = file.message_type.add(name=name)
        for field, (kind, number) in fields.items():
            _add(message, f".{package}", field, kind, number)
    return file


def _add(message: DescriptorProto, package: str, name: str, kind: str, number: int) -> None:
    label, _, base = kind.rpartition(" ")
    field = message.field.add(name=name, number=number, label=FieldDescriptorProto.LABEL_OPTIONAL)
    if label in ("repeated", "map"):
        field.label = FieldDescriptorProto.LABEL_REPEATED
    if label == "oneof":
        if not message.oneof_decl:
            message.oneof_decl.add(name="parameter_choice")
        field.oneof_index = 0
    if label == "map":
        entry = message.nested_type.add(name="".join(part.title() for part in name.split("_")) + "Entry")
        entry.options.map_entry = True
        _add(entry, package, "key", "string", 1)
        _add(entry, package, "value", base, 2)
        field.type, field.type_name = FieldDescriptorProto.TYPE_MESSAGE, f"{package}.{message.name}.{entry.name}"
    elif base[0].isupper():
        field.type, field.type_name = FieldDescriptorProto.TYPE_MESSAGE, f"{package}.{base}"
    else:
        field.type = FieldDescriptorProto.Type.Value(f"TYPE_{base.upper()}")


def _classes() -> dict[str, Any]:
    pool = descriptor_pool.DescriptorPool()
    files = [_file("inference", _MESSAGES), _file("grpc.health.v1", _HEALTH_MESSAGES)]
    for file in files:
        pool.Add(file)
    return {
        message.name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{file.package}.{message.name}"))
        for file in files
        for message in file.message_type
    }


CLASSES: dict[str, Any] = _classes()
"""Message class by name."""
