"""The server is ready only while its database answers, and says why it is not."""

import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import pytest

from model.server.database import Database, DatabaseCheck
from model.server.errors import RefusalError
from tests.support.databases import SPEAKER, Certificates, Postgresql, certificates, wait_for_port
from tests.unit.server.models import write_linear
from tests.unit.server.running import Running, free_port, start

BODY = {"inputs": [{"name": "x", "datatype": "FP32", "shape": [1, 3], "data": [1, 2, 3]}]}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return certificates(tmp_path_factory.mktemp("certificates"), "localhost", "127.0.0.1")


def settings(port: int, **changes: str) -> dict[str, str]:
    return {
        "DATABASE_CHECK": "postgresql",
        "DATABASE_HOST": "127.0.0.1",
        "DATABASE_PORT": str(port),
        "DATABASE_NAME": "features",
        "DATABASE_USER": "reader",
        **changes,
    }


@contextmanager
def speaker(files: Certificates, port: int, *answer: str) -> Iterator[None]:
    """A database, as far as its readiness is concerned."""
    command = [sys.executable, "-c", SPEAKER, str(port), str(files.certificate), str(files.key), *answer]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        wait_for_port(port)
        yield
    finally:
        process.kill()
        process.wait()


def problem(**environ: str) -> str | None:
    """The answer of the first question."""
    database = Database.from_environment(environ)
    assert database
    answers: list[str | None] = []
    check = DatabaseCheck(database, lambda: (answers.append(check.problem), check.stop())[0])
    check.start()
    deadline = time.monotonic() + 30
    while not answers:
        assert time.monotonic() < deadline, "no answer"
        time.sleep(0.01)
    return answers[0]


def ready(server: Running, condition: Callable[[httpx.Response], bool]) -> httpx.Response:
    """The first answer about readiness that is as awaited."""
    deadline = time.monotonic() + 60
    while True:
        try:
            answer = httpx.get(f"{server.url}/v2/health/ready")
            if condition(answer):
                return answer
        except httpx.TransportError:
            pass
        assert server.process.poll() is None, "the server ended"
        assert time.monotonic() < deadline, "it did not become so"
        time.sleep(0.05)


def gauge(server: Running) -> str:
    lines = httpx.get(f"{server.url}/metrics").text.splitlines()
    return next(line for line in lines if line.startswith("model_server_ready{")).rpartition(" ")[2]


def check_outage_and_recovery(
    tmp_path: Path, environment: dict[str, str], begin: Callable[[], None], end: Callable[[], None]
) -> None:
    server = start(write_linear(tmp_path / "model"), tmp_path / "run", **environment)
    try:
        where = f"127.0.0.1:{environment['DATABASE_PORT']}"
        refused = ready(server, lambda answer: "does not answer" in answer.text)
        assert refused.status_code == 503
        assert refused.json() == {"error": f"not ready: the database {where} does not answer: Connection refused"}
        # Whoever asks anyway is answered: the database decides on readiness, and on nothing else.
        assert httpx.post(f"{server.url}/v2/models/linear/infer", json=BODY).status_code == 200
        assert httpx.get(f"{server.url}/v2/health/live").status_code == 200
        assert gauge(server) == "0.0"
        for _ in range(2):
            begin()
            ready(server, lambda answer: answer.status_code == 200)
            assert gauge(server) == "1.0"
            end()
            ready(server, lambda answer: answer.status_code == 503)
            assert httpx.get(f"{server.url}/v2/models/linear/ready").status_code == 503
    finally:
        server.end()
    told = [event for event in server.events() if event["event"].startswith("database")]
    # Once for each change, not for each question.
    lost, answers = ("warning", "database lost"), ("info", "database answers")
    assert [(event["level"], event["event"]) for event in told] == [lost, answers, lost, answers, lost]
    assert "Connection refused" in told[0]["reason"]


def test_an_outage_and_its_end(tmp_path: Path, files: Certificates) -> None:
    port = free_port()
    with ExitStack() as running:
        check_outage_and_recovery(
            tmp_path,
            settings(port, DATABASE_CA_FILE=str(files.ca)),
            begin=lambda: running.enter_context(speaker(files, port)),
            end=running.close,
        )


@pytest.mark.skipif(Postgresql.programs() is None, reason="PostgreSQL is not installed")
def test_an_outage_of_postgresql_itself(tmp_path: Path, files: Certificates) -> None:
    port = free_port()
    postgresql = Postgresql(port, files)
    environment = settings(port, DATABASE_CA_FILE=str(files.ca), DATABASE_TLS_MODE="verify-full")
    check_outage_and_recovery(tmp_path, environment, postgresql.start, postgresql.stop)
    # Asking leaves no trace in its log: an administrator would take it for an attack.
    assert "FATAL" not in postgresql.log


class TestTls:
    def test_an_authority_that_is_trusted_and_the_name_that_it_vouches_for(self, files: Certificates) -> None:
        port = free_port()
        with speaker(files, port):
            assert problem(**settings(port, DATABASE_CA_FILE=str(files.ca))) is None
            assert problem(**settings(port, DATABASE_CA_FILE=str(files.ca), DATABASE_HOST="localhost")) is None

    def test_a_stranger(self, files: Certificates, tmp_path: Path) -> None:
        other = certificates(tmp_path, "127.0.0.1")
        port = free_port()
        with speaker(files, port):
            told = problem(**settings(port, DATABASE_CA_FILE=str(other.ca)))
            assert told
            assert "its certificate is not trusted: " in told
            assert problem(**settings(port, DATABASE_TLS_MODE="require")) is None

    def test_another_name(self, tmp_path: Path) -> None:
        files = certificates(tmp_path, "db.example.com")
        port = free_port()
        with speaker(files, port):
            told = problem(**settings(port, DATABASE_CA_FILE=str(files.ca)))
            assert told
            assert "127.0.0.1" in told.partition("not trusted: ")[2]
            assert problem(**settings(port, DATABASE_CA_FILE=str(files.ca), DATABASE_TLS_MODE="verify-ca")) is None


def test_a_database_that_is_starting_up_says_so(files: Certificates) -> None:
    port = free_port()
    with speaker(files, port, "the database system is starting up"):
        told = problem(**settings(port, DATABASE_TLS_MODE="require"))
    assert told
    assert told.endswith("does not answer: FATAL 57P03 the database system is starting up")


def test_a_port_that_takes_connections_and_says_nothing() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = str(listener.getsockname()[1])
        told = problem(**settings(int(port), DATABASE_TLS_MODE="disable"))
        assert told
        assert told.endswith("does not answer: no answer within 3 s")
        assert problem(**settings(int(port), DATABASE_TLS_MODE="disable", DATABASE_CHECK="tcp")) is None


def test_a_name_that_nobody_has() -> None:
    told = problem(**settings(5432, DATABASE_HOST="none.invalid"))
    assert told
    assert told.startswith("the database none.invalid:5432 does not answer: ")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"DATABASE_CHECK": "mysql"}, "DATABASE_CHECK is 'mysql'; it must be one of postgresql, tcp"),
        ({"DATABASE_HOST": ""}, "DATABASE_HOST is missing"),
        ({"DATABASE_PORT": "0"}, "DATABASE_PORT is '0'; it must be a whole number from 1 to 65535"),
        ({"DATABASE_TLS_MODE": "prefer"}, "DATABASE_TLS_MODE is 'prefer'; it must be one of verify-full, verify-ca"),
        ({"DATABASE_CA_FILE": "/none"}, "DATABASE_CA_FILE /none: "),
    ],
)
def test_a_setting_that_is_wrong(changes: dict[str, str], message: str) -> None:
    with pytest.raises(RefusalError, match=message):
        problem(**settings(5432, **changes))


def test_nobody_is_asked_where_nobody_wants_it() -> None:
    environment = settings(5432)
    del environment["DATABASE_CHECK"]
    assert Database.from_environment(environment) is None
