"""The process's life: listen, load, be ready, drain, end."""

import asyncio
import contextlib
import gc
import logging
import logging.config
import signal
import sys
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import uvloop
from granian.constants import HTTPModes, Interfaces
from granian.log import LogLevels
from granian.server.embed import Server

from . import logs
from .answers import cut_off_unread
from .app import App
from .database import DatabaseCheck
from .engine import Engine
from .errors import RefusalError
from .metrics import Metrics
from .model import Model, load
from .settings import LOG_LEVELS, Settings

if TYPE_CHECKING:
    from .grpc_server import GrpcServer

TERMINATION_LOG = "/dev/termination-log"
"""Where Kubernetes reads why a container ended. It keeps 4,096 bytes."""

MAX_CONNECTIONS = 4096
"""Granian's own limit (128) counts open connections, idle ones too: at that many, probes would wait for their turn."""

SWITCH_SECONDS = 0.0002
"""For so long a thread may keep Python's lock from the others: Granian's wait for it with each request that arrives, by
default for up to 5 ms, which is a tail of latency."""

QUIET_SECONDS = 0.2
"""No request for so long: the clients have gone elsewhere."""

CLOSE_SECONDS = 2
"""How long the last answers may take to leave."""


def run(environ: Mapping[str, str], started: float) -> int:
    """Serves until told to stop. Returns the process's exit code: 0 after a drain, 1 after a refusal.

    Threads may still run then: the caller must end the process. `started` is when it began, on the monotonic clock.
    """
    level = environ.get("LOG_LEVEL", "info").lower()
    logging.config.dictConfig(logs.config(level if level in LOG_LEVELS else "info"))
    try:
        settings = Settings.from_environment(environ)
        # Not asyncio.run: on its way out it waits for a model that computes, and for requests that were given up.
        uvloop.new_event_loop().run_until_complete(_serve(settings, started))
    except RefusalError as error:
        _refuse(str(error), Path(environ.get("TERMINATION_LOG", TERMINATION_LOG)))
        return 1
    return 0


def _refuse(reason: str, termination_log: Path) -> None:
    logs.event(logging.ERROR, "refused", reason=reason)
    # Only Kubernetes provides the file; elsewhere the log line alone must do.
    with contextlib.suppress(OSError):
        termination_log.write_bytes(reason.encode()[:4096])


async def _serve(settings: Settings, started: float) -> None:
    sys.setswitchinterval(SWITCH_SECONDS)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)

    metrics = Metrics(settings.model_name, settings.protocols)
    executor = ThreadPoolExecutor(settings.threads, thread_name_prefix="infer")
    engine = Engine(settings, metrics, executor)
    app = App(settings, metrics, engine)
    if settings.database is not None:
        app.database = DatabaseCheck(settings.database, lambda: metrics.ready.set(app.ready))
        app.database.start()
    server = _server(app, settings)
    grpc_server = await _start_grpc(settings, metrics, engine, app)
    serving = asyncio.create_task(server.serve())
    watching = [asyncio.create_task(task) for task in (app.deadlines.watch(), app.answers.watch())]
    stopping = asyncio.create_task(stop.wait())
    loading = loop.run_in_executor(executor, _load, settings)
    try:
        await asyncio.wait((loading, stopping, serving), return_when=asyncio.FIRST_COMPLETED)
        if loading.done() and not serving.done():
            while not cut_off_unread(settings.port, settings.body_timeout_seconds) and not serving.done():
                await asyncio.sleep(0.01)
            app.serve(model := loading.result())
            # What is there now stays: the collector need not look at it again and again.
            gc.collect()
            gc.freeze()
            metrics.ready.set(app.ready)
            _announce(model, settings, metrics, started)
            await asyncio.wait((stopping, serving), return_when=asyncio.FIRST_COMPLETED)
        if serving.done():
            _explain_end(serving, settings)
        await _drain(app, engine, settings, metrics)
    finally:
        for task in watching:
            task.cancel()
        server.stop()
        if grpc_server is not None:
            await grpc_server.stop(CLOSE_SECONDS)
        if not engine.in_flight:
            await asyncio.wait((serving,), timeout=CLOSE_SECONDS)


async def _start_grpc(settings: Settings, metrics: Metrics, engine: Engine, app: App) -> "GrpcServer | None":
    """Imports gRPC only where it is asked for: it takes memory, and time at the start."""
    if settings.grpc_port is None:
        return None
    from .grpc_server import GrpcServer

    server = GrpcServer(settings, metrics, engine, app)
    await server.start()
    return server


def _server(app: App, settings: Settings) -> Server:
    # Embedded: one process, no supervisor beside it. Kubernetes restarts and multiplies; a second Python costs 40 MB.
    return Server(
        app,
        address=settings.host,
        port=settings.port,
        interface=Interfaces.RSGI,
        # An answer at a time and connection: HTTP/2 would hold 200, of clients that fetch none.
        http=HTTPModes.http1,
        websockets=False,
        backlog=1024,
        backpressure=MAX_CONNECTIONS,
        log_level=LogLevels.error,
        log_dictconfig=logs.config(settings.log_level),
    )


def _load(settings: Settings) -> Model:
    try:
        return load(
            settings.model_name,
            settings.model_dir,
            settings.threads,
            accelerator=settings.accelerator,
            batched=settings.max_batch_size > 1,
            signed=(settings.signature, settings.public_key) if settings.public_key else None,
        )
    except RefusalError:
        raise
    except Exception as error:
        raise RefusalError(f"loading {settings.model_dir}: {type(error).__name__}: {error}") from error


def _announce(model: Model, settings: Settings, metrics: Metrics, started: float) -> None:
    framework = model.contract.framework.name
    metrics.loaded(model.version, model.digest, framework, model.load_seconds)
    logs.event(
        logging.INFO,
        "ready",
        model=model.name,
        version=model.version,
        digest=model.digest,
        framework=framework,
        threads=settings.threads,
        accelerator=settings.accelerator,
        port=settings.port,
        load_seconds=round(model.load_seconds, 3),
        seconds_since_start=round(time.monotonic() - started, 3),
    )


def _explain_end(serving: "asyncio.Task[None]", settings: Settings) -> None:
    """Raises: RefusalError: always; Granian never ends by itself in good health."""
    error = serving.exception()
    raise RefusalError(f"cannot serve on {settings.host}:{settings.port}: {error or 'the HTTP server ended'}")


async def _drain(app: App, engine: Engine, settings: Settings, metrics: Metrics) -> None:
    """Stops being ready, and answers what has arrived, for as long as the settings allow."""
    app.draining = True
    metrics.ready.set(0)
    logs.event(logging.INFO, "draining", in_flight=engine.in_flight)
    deadline = time.monotonic() + settings.drain_seconds
    seen, quiet_since = -1, 0.0
    while (now := time.monotonic()) < deadline:
        if engine.in_flight or engine.taken != seen:
            seen, quiet_since = engine.taken, now
        elif now - quiet_since >= QUIET_SECONDS:
            break
        await asyncio.sleep(0.01)
    level = logging.WARNING if engine.in_flight else logging.INFO
    logs.event(level, "stopped", abandoned=engine.in_flight)
