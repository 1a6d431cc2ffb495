"""The server's OpenAPI 3.1 description, made from the model's signature."""

from typing import Any

from .model import Model
from .tensors import DATATYPES, TensorSpec
from .tf_serving import version_number

_ELEMENTS: dict[type, dict[str, Any]] = {
    bool: {"type": "boolean"},
    int: {"type": "integer"},
    float: {"type": "number"},
    str: {"type": "string"},
}


def describe(model: Model, title: str, version: str) -> dict[str, Any]:
    """The whole document, for a model that is loaded."""
    v2, v1 = f"/v2/models/{model.name}", f"/v1/models/{model.name}"
    number = version_number(model.version)
    infer, predict = _infer(model), _predict(model)
    metadata = _get("The model's signature", {"name", "versions", "platform", "inputs", "outputs"}, "modelMetadata")
    ready = _get("Whether the model takes requests", {"name", "ready"}, "modelReady")
    status = _get("TensorFlow Serving: the model's state", {"model_version_status"}, "predictStatus")
    signature = _get("TensorFlow Serving: the model's signature", {"model_spec", "metadata"}, "predictMetadata")
    return {
        "openapi": "3.1.0",
        "info": {
            "title": title,
            "version": version,
            "description": f"Model {model.name}, version {model.version}. Bodies that are JSON are described here; "
            "the Open Inference Protocol's binary tensors are accepted, too.",
        },
        "paths": {
            "/v2": _get("The server's name, version and extensions", {"name", "version", "extensions"}, "server"),
            "/v2/health/live": _get("Whether the process runs", {"live"}, "live"),
            "/v2/health/ready": _get("Whether the server takes requests", {"ready"}, "ready"),
            v2: metadata,
            f"{v2}/ready": ready,
            f"{v2}/infer": {"post": infer | {"operationId": "infer"}},
            f"{v2}/versions/{model.version}": _renamed(metadata),
            f"{v2}/versions/{model.version}/ready": _renamed(ready),
            f"{v2}/versions/{model.version}/infer": {"post": infer | {"operationId": "inferVersion"}},
            v1: status,
            f"{v1}/metadata": signature,
            f"{v1}:predict": {"post": predict | {"operationId": "predict"}},
            f"{v1}/versions/{number}": _renamed(status),
            f"{v1}/versions/{number}/metadata": _renamed(signature),
            f"{v1}/versions/{number}:predict": {"post": predict | {"operationId": "predictVersion"}},
            "/metrics": {
                "get": {
                    "operationId": "metrics",
                    "summary": "Metrics for Prometheus",
                    "responses": {
                        "200": {
                            "description": "Text, or OpenMetrics where it is accepted",
                            "content": {"text/plain": {}, "application/openmetrics-text": {}},
                        }
                    },
                }
            },
        },
        "components": {
            "schemas": {
                "Error": _object({"error": {"type": "string", "minLength": 1}}, ["error"]),
                "Parameters": {"type": ["object", "null"]},
            },
            "responses": {code: _error(what) for code, what in _ERRORS.items()},
        },
    }


_ERRORS = {
    "400": "The request is not JSON, or not what the model's signature asks for",
    "408": "The request's body did not arrive in time",
    "413": "The request's body is too large",
    "415": "The request's body is encoded",
    "422": "The model cannot answer to these values with finite numbers",
    "500": "A mistake of the server",
    "503": "The server is loading, shutting down, or has too much to do",
}


def _error(what: str) -> dict[str, Any]:
    content = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
    return {"description": what, "content": content}


def _get(summary: str, keys: set[str], operation: str) -> dict[str, Any]:
    schema = _object({key: {} for key in sorted(keys)}, sorted(keys))
    return {"get": {"operationId": operation, "summary": summary, "responses": _responses(schema, "503")}}


def _renamed(path: dict[str, Any]) -> dict[str, Any]:
    """The same for a named version: operations must have names of their own."""
    return {"get": path["get"] | {"operationId": path["get"]["operationId"] + "Version"}}


def _infer(model: Model) -> dict[str, Any]:
    outputs = [spec.name for spec in model.signature.outputs]
    requested = _object(
        {"name": {"enum": outputs}, "parameters": {"$ref": "#/components/schemas/Parameters"}}, ["name"], closed=False
    )
    inputs = [_tensor(spec) for spec in model.signature.inputs]
    request = _object(
        {
            "id": {"type": ["string", "null"]},
            "parameters": {"$ref": "#/components/schemas/Parameters"},
            "inputs": {
                "type": "array",
                "items": inputs[0] if len(inputs) == 1 else {"oneOf": inputs},
                "minItems": len(inputs),
                "maxItems": len(inputs),
            },
            "outputs": {"type": ["array", "null"], "items": requested},
        },
        ["inputs"],
        closed=False,
    )
    response = _object(
        {
            "model_name": {"const": model.name},
            "model_version": {"const": model.version},
            "id": {"type": "string"},
            "outputs": {"type": "array", "items": {"oneOf": [_answer(spec) for spec in model.signature.outputs]}},
        },
        ["model_name", "model_version", "outputs"],
    )
    return _post("Asks the model (Open Inference Protocol v2)", request, response)


def _predict(model: Model) -> dict[str, Any]:
    inputs, outputs = model.signature.inputs, model.signature.outputs
    rows = [_nested(spec, spec.shape[1:]) for spec in inputs if spec.shape]
    by_name = [spec.name for spec in inputs]
    columns = _object({spec.name: _nested(spec, spec.shape) for spec in inputs}, by_name)
    alternatives = [_object({"inputs": columns}, ["inputs"], closed=False)]
    if len(inputs) == 1:
        alternatives.append(_object({"inputs": _nested(inputs[0], inputs[0].shape)}, ["inputs"], closed=False))
    if len(rows) == len(inputs):
        row = rows[0] if len(rows) == 1 else _object(dict(zip(by_name, rows, strict=True)), by_name)
        size = {} if inputs[0].shape[0] == -1 else {"maxItems": inputs[0].shape[0]}
        instances = {"type": "array", "items": row, "minItems": max(1, inputs[0].shape[0]), **size}
        alternatives.append(_object({"instances": instances}, ["instances"], closed=False))
    answers = {spec.name: _nested(spec, spec.shape) for spec in outputs}
    response = {
        "oneOf": [
            _object({"predictions": {"type": "array"}}, ["predictions"]),
            _object({"outputs": next(iter(answers.values())) if len(outputs) == 1 else {}}, ["outputs"]),
        ]
    }
    return _post("Asks the model (TensorFlow Serving)", {"anyOf": alternatives}, response)


def _post(summary: str, request: dict[str, Any], response: dict[str, Any]) -> dict[str, Any]:
    return {
        "summary": summary,
        "requestBody": {"required": True, "content": {"application/json": {"schema": request}}},
        "responses": _responses(response, *_ERRORS),
    }


def _responses(schema: dict[str, Any], *errors: str) -> dict[str, Any]:
    answers: dict[str, Any] = {
        "200": {"description": "The answer", "content": {"application/json": {"schema": schema}}}
    }
    return answers | {code: {"$ref": f"#/components/responses/{code}"} for code in errors}


def _object(properties: dict[str, Any], required: list[str], *, closed: bool = True) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "object", "properties": properties, "required": required}
    return schema | {"additionalProperties": False} if closed else schema


def _tensor(spec: TensorSpec) -> dict[str, Any]:
    """An input with its data as JSON, flat or nested."""
    data = {"anyOf": [_nested(spec, (-1,)), _nested(spec, spec.shape)]} if len(spec.shape) > 1 else _nested(spec, (-1,))
    properties = {
        "name": {"const": spec.name},
        "datatype": {"const": spec.datatype},
        "shape": _shape(spec),
        "data": data,
        "parameters": {"$ref": "#/components/schemas/Parameters"},
    }
    return _object(properties, ["name", "datatype", "shape"], closed=False)


def _answer(spec: TensorSpec) -> dict[str, Any]:
    properties = {
        "name": {"const": spec.name},
        "datatype": {"const": spec.datatype},
        "shape": {"type": "array", "items": {"type": "integer", "minimum": 0}},
        "data": {"type": "array", "items": _element(spec)},
    }
    return _object(properties, ["name", "datatype", "shape", "data"])


def _shape(spec: TensorSpec) -> dict[str, Any]:
    sizes = [{"type": "integer", "minimum": 1} if size == -1 else {"const": size} for size in spec.shape]
    length = len(sizes)
    return {"type": "array", "prefixItems": sizes, "items": False, "minItems": length, "maxItems": length}


def _nested(spec: TensorSpec, shape: tuple[int, ...]) -> dict[str, Any]:
    schema = _element(spec)
    for size in reversed(shape):
        schema = {"type": "array", "items": schema, "minItems": max(1, size)}
        if size != -1:
            schema["maxItems"] = size
    return schema


def _element(spec: TensorSpec) -> dict[str, Any]:
    return _ELEMENTS[DATATYPES[spec.datatype][0]]
