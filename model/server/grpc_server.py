"""The Open Inference Protocol v2 over gRPC, on a port of its own. Imported only where that port is set.

Health is served under both names: the protocol's own calls, and `grpc.health.v1.Health`, which Kubernetes asks.
"""

import math
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import grpc
import numpy as np
from numpy.typing import NDArray

from . import __version__, logs, tracing
from .answers import SMALL_ANSWER_BYTES
from .app import SERVER_NAME, App
from .engine import Engine
from .errors import RefusalError, RequestError, overloaded
from .grpc_messages import CLASSES, HEALTH_SERVICE, NOT_SERVING, SERVICE, SERVING
from .metrics import Metrics
from .model import Model
from .protocol import check_answer, check_finite, refuse_unsupported
from .settings import Settings
from .tensors import (
    DATATYPES,
    InferRequest,
    Signature,
    Tensors,
    TensorSpec,
    check_complete,
    check_datatype,
    check_shape,
    from_binary,
    input_spec,
    text,
    to_binary,
    wanted_outputs,
)

PROTOCOL = "v2_grpc"

_CONTENTS = {
    "BOOL": "bool_contents",
    "UINT8": "uint_contents",
    "UINT16": "uint_contents",
    "UINT32": "uint_contents",
    "UINT64": "uint64_contents",
    "INT8": "int_contents",
    "INT16": "int_contents",
    "INT32": "int_contents",
    "INT64": "int64_contents",
    "FP32": "fp32_contents",
    "FP64": "fp64_contents",
    "BYTES": "bytes_contents",
}
"""Datatype -> the field that holds its elements; FP16 has none, it is always raw."""

_CODES = {
    400: grpc.StatusCode.INVALID_ARGUMENT,
    404: grpc.StatusCode.NOT_FOUND,
    413: grpc.StatusCode.RESOURCE_EXHAUSTED,
    422: grpc.StatusCode.OUT_OF_RANGE,
    503: grpc.StatusCode.UNAVAILABLE,
}

_HEAD_BYTES = 64 << 10
"""What a request may have beside its tensors."""


class GrpcServer:
    """Answers on `settings.grpc_port`, for the same engine as the HTTP server."""

    def __init__(self, settings: Settings, metrics: Metrics, engine: Engine, app: App) -> None:
        self._settings = settings
        self._metrics = metrics
        self._engine = engine
        self._app = app
        self._unfetched = 0
        """Bytes of large calls whose answers are on their way to clients."""
        self._server = grpc.aio.server(
            options=[
                ("grpc.max_receive_message_length", settings.max_body_bytes + _HEAD_BYTES),
                ("grpc.max_send_message_length", -1),
                # Two servers on one port would each get some of the requests, and none would know.
                ("grpc.so_reuseport", 0),
                ("grpc.max_concurrent_streams", settings.max_queue),
            ],
        )
        calls: dict[str, Callable[[Any, Any], Awaitable[Any]]] = {
            "ServerLive": self._server_live,
            "ServerReady": self._server_ready,
            "ServerMetadata": self._server_metadata,
            "ModelReady": self._model_ready,
            "ModelMetadata": self._model_metadata,
            "ModelInfer": self._model_infer,
        }
        health: dict[str, Callable[[Any, Any], Awaitable[Any]]] = {"Check": self._check}
        self._server.add_generic_rpc_handlers(
            (_handlers(SERVICE, calls, ""), _handlers(HEALTH_SERVICE, health, "Health"))
        )

    async def start(self) -> None:
        """Listens. Raises: RefusalError: the port is taken."""
        address = f"{self._settings.host}:{self._settings.grpc_port}"
        try:
            self._server.add_insecure_port(address)
        except RuntimeError as error:
            raise RefusalError(f"cannot serve gRPC on {address}: {error}") from None
        await self._server.start()

    async def stop(self, seconds: float) -> None:
        """Takes no more calls, and ends those that are not through after `seconds`."""
        await self._server.stop(seconds)

    async def _server_live(self, _request: Any, _context: Any) -> Any:
        return CLASSES["ServerLiveResponse"](live=True)

    async def _server_ready(self, _request: Any, _context: Any) -> Any:
        return CLASSES["ServerReadyResponse"](ready=self._app.ready)

    async def _check(self, request: Any, context: Any) -> Any:
        if request.service not in ("", SERVICE):
            await context.abort(grpc.StatusCode.NOT_FOUND, f"unknown service; there is {SERVICE}")
        return CLASSES["HealthCheckResponse"](status=SERVING if self._app.ready else NOT_SERVING)

    async def _server_metadata(self, _request: Any, _context: Any) -> Any:
        return CLASSES["ServerMetadataResponse"](name=SERVER_NAME, version=__version__, extensions=[])

    async def _model_ready(self, request: Any, context: Any) -> Any:
        # Before the model is loaded there is nothing to find, and that is no error.
        if self._engine.model is None and request.name == self._settings.model_name:
            return CLASSES["ModelReadyResponse"](ready=False)
        await self._find_or_abort(request.name, request.version, context)
        return CLASSES["ModelReadyResponse"](ready=self._app.ready)

    async def _model_metadata(self, request: Any, context: Any) -> Any:
        model = await self._find_or_abort(request.name, request.version, context)
        return CLASSES["ModelMetadataResponse"](
            name=model.name,
            versions=[model.version],
            platform=model.session.platform,
            inputs=[_metadata(spec) for spec in model.signature.inputs],
            outputs=[_metadata(spec) for spec in model.signature.outputs],
        )

    async def _find_or_abort(self, name: str, version: str, context: Any) -> Model:
        try:
            return self._app.find(name, version or None)
        except RequestError as error:
            await context.abort(_CODES[error.status], str(error))
            raise AssertionError from None  # abort raises

    async def _model_infer(self, request: Any, context: Any) -> Any:
        started = time.perf_counter()
        code = 499  # of a client that leaves; as over HTTP
        metadata = dict(context.invocation_metadata() or ())
        trace = tracing.parse(metadata.get("traceparent"))
        request_id = tracing.request_id(metadata.get(tracing.REQUEST_ID_HEADER))
        if request_id is not None:
            context.set_trailing_metadata(((tracing.REQUEST_ID_HEADER, request_id),))
        self._engine.begin()
        try:
            answer = await self._infer(request)
            self._leave(request.ByteSize() + answer.ByteSize(), context)
            code = 200
            return answer
        except RequestError as error:
            code = error.status
            await context.abort(_CODES[code], str(error))
        except Exception as error:
            code = 500
            logs.failure(error, tracing.identity(request_id, trace))
            await context.abort(grpc.StatusCode.INTERNAL, f"internal error: {type(error).__name__}")
        finally:
            self._engine.end()
            seconds = time.perf_counter() - started
            if request.model_name == self._settings.model_name:
                self._metrics.answered(PROTOCOL, code, seconds, trace)
            else:
                self._metrics.refused(PROTOCOL, code, known=False)
            logs.request(PROTOCOL, "ModelInfer", code, seconds, tracing.identity(request_id, trace))

    async def _infer(self, request: Any) -> Any:
        model = self._app.find(request.model_name, request.model_version or None)
        finite = self._settings.refuse_non_finite
        size = request.ByteSize()
        self._engine.hold(size)
        try:
            return await self._engine.answer(
                size,
                lambda: decode_request(request, model.signature, finite=finite),
                lambda decoded, outputs: encode_response(model, request, decoded, outputs, finite=finite),
            )
        finally:
            self._engine.release(size)

    def _leave(self, size: int, context: Any) -> None:
        """Counts a large call until its client has taken the answer: gRPC keeps it, and the request, as long.

        A single one may be larger than the limit. Raises: RequestError: 503: too much is held already.
        """
        if size <= SMALL_ANSWER_BYTES:
            return
        if self._unfetched and self._unfetched + size > self._settings.max_buffered_bytes:
            raise overloaded(f"overloaded: {self._unfetched} bytes of answers wait for their clients")
        self._unfetched += size

        def over(_context: Any) -> None:
            self._unfetched -= size

        context.add_done_callback(over)


def _handlers(service: str, calls: dict[str, Callable[[Any, Any], Awaitable[Any]]], prefix: str) -> Any:
    handlers = {
        name: grpc.unary_unary_rpc_method_handler(
            call,
            request_deserializer=CLASSES[f"{prefix}{name}Request"].FromString,
            response_serializer=CLASSES[f"{prefix}{name}Response"].SerializeToString,
        )
        for name, call in calls.items()
    }
    return grpc.method_handlers_generic_handler(service, handlers)


def decode_request(request: Any, signature: Signature, *, finite: bool = True) -> InferRequest:
    """Checks a ModelInferRequest. Raises: RequestError: 400: it is not what the signature asks for."""
    raw: Sequence[bytes] = request.raw_input_contents
    if raw and len(raw) != len(request.inputs):
        raise RequestError(400, f"raw_input_contents: {len(raw)} of them, but {len(request.inputs)} inputs")
    inputs: Tensors = {}
    for index, tensor in enumerate(request.inputs):
        spec = input_spec(tensor.name, signature, inputs)
        where = f"input {tensor.name!r}"
        refuse_unsupported(tensor.parameters, where)
        check_datatype(tensor.datatype, spec, where)
        check_shape(tensor.shape, spec, where)
        if raw:
            if tensor.HasField("contents"):
                raise RequestError(400, f"{where}: has contents beside the request's raw_input_contents")
            values = from_binary(memoryview(raw[index]), spec, tensor.shape, where)
        else:
            values = _from_contents(tensor.contents, spec, tensor.shape, where)
        if finite:
            check_finite(values, where)
        inputs[tensor.name] = values
    check_complete(inputs, signature)
    for output in request.outputs:
        refuse_unsupported(output.parameters, f"output {output.name!r}")
    return InferRequest(
        id=request.id or None,
        inputs=inputs,
        outputs=wanted_outputs((output.name for output in request.outputs), signature),
    )


def _from_contents(contents: Any, spec: TensorSpec, shape: Sequence[int], where: str) -> NDArray[Any]:
    field = _CONTENTS.get(spec.datatype)
    if field is None:
        raise RequestError(400, f"{where}: {spec.datatype} has no contents; send it as raw_input_contents")
    for other, _ in contents.ListFields():
        if other.name != field:
            raise RequestError(400, f"{where}: {spec.datatype} belongs into {field}, not {other.name}")
    values: Any = getattr(contents, field)
    if len(values) != (count := math.prod(shape)):
        raise RequestError(400, f"{where}: {len(values)} values, shape {list(shape)} needs {count}")
    if spec.datatype == "BYTES":
        values = [text(value, where) for value in values]
    try:
        return np.array(values, dtype=DATATYPES[spec.datatype][1]).reshape(shape)
    except OverflowError as error:
        raise RequestError(400, f"{where}: a value does not fit {spec.datatype}: {error}") from None


def encode_response(model: Model, request: Any, decoded: InferRequest, outputs: Tensors, *, finite: bool = True) -> Any:
    """A ModelInferResponse, raw where the request was.

    Raises: RequestError: 422: an answer is not finite, and is to be `finite`.
    """
    datatypes = {spec.name: spec.datatype for spec in model.signature.outputs}
    answer = CLASSES["ModelInferResponse"](model_name=model.name, model_version=model.version, id=decoded.id or "")
    # All answers are raw, or none: FP16 can only be.
    raw = bool(request.raw_input_contents) or any(datatypes[name] == "FP16" for name in outputs)
    for name, values in outputs.items():
        if finite:
            check_answer(name, values)
        tensor = answer.outputs.add(name=name, datatype=datatypes[name], shape=values.shape)
        if raw:
            answer.raw_output_contents.append(to_binary(values))
        elif datatypes[name] == "BYTES":
            tensor.contents.bytes_contents.extend(str(value).encode() for value in values.ravel())
        else:
            getattr(tensor.contents, _CONTENTS[datatypes[name]]).extend(values.ravel().tolist())
    return answer


def _metadata(spec: TensorSpec) -> Any:
    return CLASSES["TensorMetadata"](name=spec.name, datatype=spec.datatype, shape=spec.shape)
