"""HTTP: routes, statuses and limits. One object, called by Granian for each request (RSGI)."""

import asyncio
import logging
import time
import traceback
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any

# Granian documents these names here, though its package is typed as if they were private.
from granian.rsgi import HTTPProtocol, ProtocolClosed, Scope  # pyright: ignore[reportPrivateImportUsage]

from . import __version__, logs
from .errors import RequestError
from .metrics import CONTENT_TYPE as METRICS_CONTENT_TYPE
from .metrics import Metrics
from .model import Model
from .protocol import TensorSpec, decode_request, encode, encode_response
from .settings import Settings

JSON = "application/json"
SERVER_NAME = "model-serving"

BINARY_HEADER = "inference-header-content-length"
"""Set by clients that send tensors in binary, the protocol's extension that this server lacks."""


@dataclass(frozen=True, slots=True)
class _Answer:
    body: bytes
    status: int = 200
    content_type: str = JSON
    allow: str | None = None


class App:
    """Answers requests: 503 until `model` is set, and again for readiness once `draining` is."""

    def __init__(self, settings: Settings, metrics: Metrics, executor: Executor) -> None:
        self.model: Model | None = None
        self.draining = False
        self.in_flight = 0
        self._settings = settings
        self._metrics = metrics
        self._executor = executor
        # Looked up once: with labels each look-up takes a lock.
        name = settings.model_name
        self._request_seconds = metrics.request_seconds.labels(name)
        self._inference_seconds = metrics.inference_seconds.labels(name)
        metrics.ready.labels(name).set(0)
        metrics.in_flight.labels(name).set_function(lambda: self.in_flight)

    async def __rsgi__(self, scope: Scope, proto: HTTPProtocol) -> None:
        """Granian's entry point."""
        started = time.perf_counter()
        try:
            answer = await self._answer(scope, proto)
        except RequestError as error:
            answer = _Answer(encode({"error": str(error)}), error.status, allow=error.allow)
        except ProtocolClosed:
            return
        except Exception as error:
            # Not the message: a library may have put the request's values in it.
            stack = traceback.format_list(traceback.extract_tb(error.__traceback__))
            logs.event(logging.ERROR, "request failed", error=type(error).__name__, stack=stack)
            answer = _Answer(encode({"error": f"internal error: {type(error).__name__}"}), 500)

        headers = [("content-type", answer.content_type)]
        if answer.allow:
            headers.append(("allow", answer.allow))
        if self.draining and scope.http_version.startswith("1"):
            # Clients with an open connection would stay with this process to its end; so they go elsewhere.
            headers.append(("connection", "close"))
        proto.response_bytes(answer.status, headers, answer.body)
        logs.event(
            logging.DEBUG,
            "request",
            method=scope.method,
            path=scope.path,
            status=answer.status,
            seconds=round(time.perf_counter() - started, 6),
        )

    async def _answer(self, scope: Scope, proto: HTTPProtocol) -> _Answer:
        match scope.path.split("/")[1:]:
            case ["v2", "models", name, *rest]:
                return await self._model_route(scope, proto, name, rest)
            case ["v2", "health", "ready"]:
                _allow(scope, "GET")
                self._ready_model()
                return _Answer(encode({"ready": True}))
            case ["v2", "health", "live"]:
                _allow(scope, "GET")
                return _Answer(encode({"live": True}))
            case ["v2"]:
                _allow(scope, "GET")
                return _Answer(encode({"name": SERVER_NAME, "version": __version__, "extensions": []}))
            case ["metrics"]:
                _allow(scope, "GET")
                return _Answer(self._metrics.expose(), content_type=METRICS_CONTENT_TYPE)
        raise RequestError(404, f"no such path: {scope.path}")

    async def _model_route(self, scope: Scope, proto: HTTPProtocol, name: str, rest: list[str]) -> _Answer:
        match rest:
            case [] | ["versions", _]:
                _allow(scope, "GET")
                return _Answer(encode(self._metadata(self._find(name, rest))))
            case ["ready"] | ["versions", _, "ready"]:
                _allow(scope, "GET")
                self._find(name, rest)
                self._ready_model()
                return _Answer(encode({"name": name, "ready": True}))
            case ["infer"] | ["versions", _, "infer"]:
                _allow(scope, "POST")
                return await self._counted_infer(scope, proto, name, rest)
        raise RequestError(404, f"no such path: {scope.path}")

    def _find(self, name: str, rest: list[str]) -> Model:
        """The model of that name and, where the path has one, version. 404: there is none; 503: not loaded yet."""
        if name != self._settings.model_name:
            raise RequestError(404, f"model {name!r}: unknown; this server has {self._settings.model_name!r}")
        if self.model is None:
            raise RequestError(503, f"model {name!r}: still loading")
        if rest and rest[0] == "versions" and rest[1] != self.model.version:
            raise RequestError(404, f"model {name!r}: no version {rest[1]!r}; this server has {self.model.version!r}")
        return self.model

    def _ready_model(self) -> None:
        if self.model is None:
            raise RequestError(503, "not ready: the model is loading")
        if self.draining:
            raise RequestError(503, "not ready: shutting down")

    def _metadata(self, model: Model) -> dict[str, Any]:
        return {
            "name": model.name,
            "versions": [model.version],
            "platform": "onnxruntime_onnx",
            "inputs": [_metadata(spec) for spec in model.signature.inputs],
            "outputs": [_metadata(spec) for spec in model.signature.outputs],
        }

    async def _counted_infer(self, scope: Scope, proto: HTTPProtocol, name: str, rest: list[str]) -> _Answer:
        label = name if name == self._settings.model_name else "unknown"
        # What a client broke off, nginx logs as 499 too.
        code = 499
        started = time.perf_counter()
        self.in_flight += 1
        try:
            answer = await self._infer(scope, proto, self._find(name, rest))
            code = answer.status
            return answer
        except RequestError as error:
            code = error.status
            raise
        except ProtocolClosed:
            raise
        except Exception:
            code = 500
            raise
        finally:
            self.in_flight -= 1
            self._metrics.requests.labels(label, str(code)).inc()
            self._request_seconds.observe(time.perf_counter() - started)

    async def _infer(self, scope: Scope, proto: HTTPProtocol, model: Model) -> _Answer:
        if scope.headers.get("content-encoding", "identity") != "identity":
            raise RequestError(415, "content-encoding is not supported; send the body as it is")
        if BINARY_HEADER in scope.headers:
            raise RequestError(400, "binary tensors are not supported; send the tensors' data as JSON")
        body = await self._read_body(scope, proto)
        # In a thread, so that probes are answered while the model computes, which it does without Python's lock.
        return await asyncio.get_running_loop().run_in_executor(self._executor, self._compute, model, body)

    def _compute(self, model: Model, body: bytes | bytearray) -> _Answer:
        request = decode_request(body, model.signature)
        started = time.perf_counter()
        outputs = model.infer(request)
        self._inference_seconds.observe(time.perf_counter() - started)
        return _Answer(encode_response(model.name, model.version, request.id, outputs, model.signature))

    async def _read_body(self, scope: Scope, proto: HTTPProtocol) -> bytes | bytearray:
        """The whole body. 413: above the limit; 408: slower than the limit."""
        most = self._settings.max_body_bytes
        too_large = RequestError(413, f"request body: larger than {most} bytes")
        length = scope.headers.get("content-length")
        if length is not None and int(length) > most:
            raise too_large
        try:
            async with asyncio.timeout(self._settings.body_timeout_seconds):
                if length is not None:
                    return await proto()
                body = bytearray()
                async for chunk in proto:
                    body += chunk
                    if len(body) > most:
                        raise too_large
                return body
        except TimeoutError:
            seconds = self._settings.body_timeout_seconds
            raise RequestError(408, f"request body: not complete after {seconds:g} s") from None


def _allow(scope: Scope, method: str) -> None:
    if scope.method != method:
        raise RequestError(405, f"{scope.method} is not allowed here; use {method}", allow=method)


def _metadata(spec: TensorSpec) -> dict[str, Any]:
    return {"name": spec.name, "datatype": spec.datatype, "shape": spec.shape}
