"""HTTP: routes, statuses and limits. One object, called by Granian for each request (RSGI)."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import msgspec

# Granian documents these names here, though its package is typed as if they were private.
from granian.rsgi import Headers, HTTPProtocol, ProtocolClosed, Scope  # pyright: ignore[reportPrivateImportUsage]

from . import __version__, logs, openapi, protocol, tf_serving, tracing
from .answers import SMALL_ANSWER_BYTES, Answers
from .deadlines import Deadlines
from .engine import Engine
from .errors import RequestError
from .metrics import Metrics
from .model import Model
from .protocol import encode
from .settings import Settings
from .tensors import InferRequest, Tensors, TensorSpec

if TYPE_CHECKING:
    from .database import DatabaseCheck

JSON = "application/json"
BINARY = "application/octet-stream"
SERVER_NAME = "model-serving"

BINARY_HEADER = "inference-header-content-length"
"""How much of a body is JSON, where binary tensors follow."""

SMALL_BODY_BYTES = 16 << 10
"""Bodies up to here are not counted."""

_CLIENT_LEFT = 499
"""What nginx logs for it."""


class _Answer(msgspec.Struct):
    body: bytes
    status: int = 200
    content_type: str = JSON
    headers: tuple[tuple[str, str], ...] = ()


_Infer = Callable[[Headers, bytes | bytearray], Awaitable[_Answer]]


class App:
    """Answers requests: 503 until the engine has a model, and again for readiness once `draining` is."""

    def __init__(self, settings: Settings, metrics: Metrics, engine: Engine) -> None:
        self.draining = False
        self.deadlines = Deadlines(settings.body_timeout_seconds)
        """For bodies to arrive. Somebody must run its `watch`."""
        self.answers = Answers(settings.max_buffered_bytes, settings.body_timeout_seconds)
        """On their way to clients. Somebody must run its `watch`."""
        self.database: DatabaseCheck | None = None
        """What the readiness depends on beside the model, if anything."""
        self._settings = settings
        self._metrics = metrics
        self._engine = engine
        self._infer_routes: dict[str, tuple[str, _Infer]] = {}
        self._openapi = b""
        self._logs_requests = settings.log_level == "debug"

    def serve(self, model: Model) -> None:
        """Takes the model into use."""
        self._engine.serve(model)
        name, version = model.name, model.version
        for path in (name, f"{name}/versions/{version}"):
            self._infer_routes[f"/v2/models/{path}/infer"] = ("v2_rest", self._infer)
            self._infer_routes[f"/v1/models/{path}:predict"] = ("tf_serving", self._predict)
        number = tf_serving.version_number(version)
        self._infer_routes[f"/v1/models/{name}/versions/{number}:predict"] = ("tf_serving", self._predict)
        self._openapi = encode(openapi.describe(model, SERVER_NAME, __version__))

    async def __rsgi__(self, scope: Scope, proto: HTTPProtocol) -> None:
        """Granian's entry point."""
        started = time.perf_counter()
        route = self._infer_routes.get(scope.path)
        headers = scope.headers
        request_id = tracing.request_id(headers.get(tracing.REQUEST_ID_HEADER))
        # Of a client that leaves before its answer.
        status = _CLIENT_LEFT
        if route is not None:
            self._engine.begin()
        try:
            if self.answers.held:
                self.answers.arrived(scope.client)
            answer = await self._answer(route, scope, headers, proto)
            if len(answer.body) > SMALL_ANSWER_BYTES:
                try:
                    self.answers.leave(scope.client, len(answer.body))
                except RequestError as error:
                    answer = _refusal(error)
            status = answer.status
            answer_headers = [("content-type", answer.content_type), *answer.headers]
            if request_id is not None:
                answer_headers.append((tracing.REQUEST_ID_HEADER, request_id))
            if self.draining:
                # Clients with an open connection would stay with this process to its end; so they go elsewhere.
                answer_headers.append(("connection", "close"))
            proto.response_bytes(status, answer_headers, answer.body)
        except ProtocolClosed:
            return
        finally:
            seconds = time.perf_counter() - started
            parent = headers.get("traceparent")
            trace = None if parent is None else tracing.parse(parent)
            if route is not None:
                self._engine.end()
                self._metrics.answered(route[0], status, seconds, trace)
            if self._logs_requests:
                interface = route[0] if route else "http"
                logs.request(
                    interface, f"{scope.method} {scope.path}", status, seconds, tracing.identity(request_id, trace)
                )

    async def _answer(
        self, route: tuple[str, _Infer] | None, scope: Scope, headers: Headers, proto: HTTPProtocol
    ) -> _Answer:
        held = 0
        try:
            if route is None:
                return self._other(scope)
            _allow(scope, "POST")
            if headers.get("content-encoding", "identity") != "identity":
                raise RequestError(415, "content-encoding is not supported; send the body as it is")
            length = headers.get("content-length")
            size = None if length is None else int(length)
            if size is not None and size > self._settings.max_body_bytes:
                raise _too_large(self._settings.max_body_bytes)
            task = self.deadlines.begin()
            try:
                if size is not None and size <= SMALL_BODY_BYTES:
                    body = await proto()
                elif size is not None and self._engine.promise(size):
                    held = size
                    body = await proto()
                else:
                    body = bytearray()
                    async for chunk in proto:
                        self._engine.hold(len(chunk))
                        held += len(chunk)
                        body += chunk
                        if len(body) > self._settings.max_body_bytes:
                            raise _too_large(self._settings.max_body_bytes)
            except asyncio.CancelledError:
                if self.deadlines.late(task):
                    seconds = self._settings.body_timeout_seconds
                    raise RequestError(408, f"request body: not complete after {seconds:g} s") from None
                raise
            finally:
                self.deadlines.end(task)
            return await route[1](headers, body)
        except RequestError as error:
            return _refusal(error)
        except ProtocolClosed:
            raise
        except Exception as error:
            trace = tracing.parse(headers.get("traceparent"))
            logs.failure(error, tracing.identity(tracing.request_id(headers.get(tracing.REQUEST_ID_HEADER)), trace))
            return _Answer(encode({"error": f"internal error: {type(error).__name__}"}), 500)
        finally:
            if held:
                self._engine.release(held)

    def _infer(self, headers: Headers, body: bytes | bytearray) -> Awaitable[_Answer]:
        """The Open Inference Protocol."""
        model = self._loaded_model()
        json_length = _json_length(headers.get(BINARY_HEADER))

        def decode() -> InferRequest:
            return protocol.decode_request(body, model.signature, json_length, finite=self._settings.refuse_non_finite)

        def encode_answer(request: InferRequest, outputs: Tensors) -> _Answer:
            content, length = protocol.encode_response(
                model.name, model.version, request, outputs, model.signature, finite=self._settings.refuse_non_finite
            )
            if length is None:
                return _Answer(content)
            return _Answer(content, content_type=BINARY, headers=((BINARY_HEADER, str(length)),))

        return self._engine.answer(len(body), decode, encode_answer)

    def _predict(self, _headers: Headers, body: bytes | bytearray) -> Awaitable[_Answer]:
        """TensorFlow Serving's REST interface."""
        model = self._loaded_model()
        form: tf_serving.Format = "row"

        def decode() -> InferRequest:
            nonlocal form
            request, form = tf_serving.decode_request(body, model.signature)
            return request

        def encode_answer(request: InferRequest, outputs: Tensors) -> _Answer:
            return _Answer(tf_serving.encode_response(form, request, outputs))

        return self._engine.answer(len(body), decode, encode_answer)

    def _other(self, scope: Scope) -> _Answer:
        """What needs no computing."""
        match scope.path.split("/")[1:]:
            case ["v2", "health", "ready"]:
                _allow(scope, "GET")
                self._ready_model()
                return _Answer(encode({"ready": True}))
            case ["v2", "health", "live"]:
                _allow(scope, "GET")
                return _Answer(encode({"live": True}))
            case ["v2"]:
                _allow(scope, "GET")
                extensions = protocol.EXTENSIONS
                return _Answer(encode({"name": SERVER_NAME, "version": __version__, "extensions": extensions}))
            case ["v2", "models", name, *rest]:
                return self._v2_model(scope, name, rest)
            case ["v1", "models", name, *rest]:
                return self._v1_model(scope, name, rest)
            case ["metrics"]:
                _allow(scope, "GET")
                content, content_type = self._metrics.expose(scope.headers.get("accept", ""))
                return _Answer(content, content_type=content_type)
            case ["openapi.json"]:
                _allow(scope, "GET")
                self._loaded_model()
                return _Answer(self._openapi)
        raise _no_such_path(scope)

    def _v2_model(self, scope: Scope, name: str, rest: list[str]) -> _Answer:
        match rest:
            case [] | ["versions", _]:
                _allow(scope, "GET")
                return _Answer(encode(_metadata(self._find(name, rest))))
            case ["ready"] | ["versions", _, "ready"]:
                _allow(scope, "GET")
                self._find(name, rest)
                self._ready_model()
                return _Answer(encode({"name": name, "ready": True}))
            case ["infer"] | ["versions", _, "infer"]:
                raise self._not_here(scope, "v2_rest", name, rest)
        raise _no_such_path(scope)

    def _v1_model(self, scope: Scope, name: str, rest: list[str]) -> _Answer:
        *before, last = [name, *rest]
        last, colon, verb = last.partition(":")
        name, *rest = [*before, last]
        match rest:
            case [] | ["versions", _] if colon:
                if verb != "predict":
                    raise RequestError(404, f"{verb!r} is not supported; use :predict")
                raise self._not_here(scope, "tf_serving", name, rest)
            case [] | ["versions", _]:
                _allow(scope, "GET")
                model = self._find(name, rest)
                self._ready_model()
                return _Answer(encode(tf_serving.status(model.version)))
            case ["metadata"] | ["versions", _, "metadata"] if not colon:
                _allow(scope, "GET")
                model = self._find(name, rest)
                return _Answer(encode(tf_serving.metadata(model.name, model.version, model.signature)))
        raise _no_such_path(scope)

    def _not_here(self, scope: Scope, interface: str, name: str, rest: list[str]) -> RequestError:
        """Why a request to infer has no route. Counted here, as it would be if it had."""
        try:
            _allow(scope, "POST")
            self._find(name, rest)
            error = _no_such_path(scope)
        except RequestError as found:
            error = found
        self._metrics.refused(interface, error.status, known=name == self._settings.model_name)
        return error

    @property
    def ready(self) -> bool:
        """Whether requests are welcome."""
        lost = self.database is not None and self.database.problem is not None
        return self._engine.model is not None and not self.draining and not lost

    def find(self, name: str, version: str | None) -> Model:
        """The model of that name and version; None: whichever is here.

        Raises: RequestError: 404: there is none; 503: it is still loading.
        """
        if name != self._settings.model_name:
            raise RequestError(404, f"model {name!r}: unknown; this server has {self._settings.model_name!r}")
        model = self._loaded_model()
        if version not in (None, model.version, tf_serving.version_number(model.version)):
            raise RequestError(404, f"model {name!r}: no version {version!r}; this server has {model.version!r}")
        return model

    def _find(self, name: str, rest: list[str]) -> Model:
        return self.find(name, rest[1] if rest and rest[0] == "versions" else None)

    def _loaded_model(self) -> Model:
        if self._engine.model is None:
            raise RequestError(503, f"model {self._settings.model_name!r}: still loading", headers=_RETRY)
        return self._engine.model

    def _ready_model(self) -> None:
        if self._engine.model is None:
            raise RequestError(503, "not ready: the model is loading", headers=_RETRY)
        if self.draining:
            raise RequestError(503, "not ready: shutting down", headers=_RETRY)
        # Read once: the thread that asks may change it.
        if self.database is not None and (problem := self.database.problem) is not None:
            raise RequestError(503, f"not ready: {problem}", headers=_RETRY)


_RETRY = (("retry-after", "1"),)


def _refusal(error: RequestError) -> _Answer:
    return _Answer(encode({"error": str(error)}), error.status, headers=error.headers)


def _too_large(most: int) -> RequestError:
    return RequestError(413, f"request body: larger than {most} bytes")


def _no_such_path(scope: Scope) -> RequestError:
    return RequestError(404, f"no such path: {scope.path}")


def _allow(scope: Scope, method: str) -> None:
    if scope.method != method:
        raise RequestError(405, f"{scope.method} is not allowed here; use {method}", headers=(("allow", method),))


def _json_length(header: str | None) -> int | None:
    if header is None:
        return None
    if not (header.isascii() and header.isdecimal() and len(header) <= 12):
        raise RequestError(400, f"{BINARY_HEADER}: must be the number of bytes of the body's JSON")
    return int(header)


def _metadata(model: Model) -> dict[str, Any]:
    return {
        "name": model.name,
        "versions": [model.version],
        "platform": model.session.platform,
        "inputs": [_tensor_metadata(spec) for spec in model.signature.inputs],
        "outputs": [_tensor_metadata(spec) for spec in model.signature.outputs],
    }


def _tensor_metadata(spec: TensorSpec) -> dict[str, Any]:
    return {"name": spec.name, "datatype": spec.datatype, "shape": spec.shape}
