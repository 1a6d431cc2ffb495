"""The API server goes away: previews go on from the state, everything else fails and forgets nothing."""

import asyncio
import json
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import yaml

from tests.contract.playing import RECORDED, Outcome, Player

pytestmark = [pytest.mark.integration, pytest.mark.shared]

STEPS = json.loads((RECORDED / "recorded-unreachable.json").read_text())["steps"]


class Gate:
    """A port of our own in front of the API server, which stays up for everybody else when this one closes."""

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._writers: set[asyncio.StreamWriter] = set()
        self.port = asyncio.run_coroutine_threadsafe(self._open(), self._loop).result(10)

    async def _open(self) -> int:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        return self._server.sockets[0].getsockname()[1]

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner_reader, inner_writer = await asyncio.open_connection(*self._target)
        self._writers |= {writer, inner_writer}
        await asyncio.gather(self._copy(reader, inner_writer), self._copy(inner_reader, writer))

    @staticmethod
    async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        except OSError:
            pass
        finally:
            writer.close()

    async def _close(self) -> None:
        self._server.close()
        for writer in self._writers:
            writer.close()

    def close(self) -> None:
        """Refuse connections from now on."""
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(10)

    def reopen(self) -> None:
        """Accept connections again, on the same port."""

        async def again() -> None:
            self._server = await asyncio.start_server(self._connected, "127.0.0.1", self.port)

        asyncio.run_coroutine_threadsafe(again(), self._loop).result(10)

    def stop(self) -> None:
        """End the thread."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)


@pytest.fixture
def gated(playground: tuple[Path, str, dict[str, str]], tmp_path: Path) -> Iterator[tuple[Player, Gate]]:
    """A stack whose way to the cluster can be closed."""
    kubeconfig, image, env = playground
    config = yaml.safe_load(kubeconfig.read_text())
    server = urlsplit(config["clusters"][0]["cluster"]["server"])
    gate = Gate(server.hostname or "", server.port or 443)
    config["clusters"][0]["cluster"]["server"] = f"https://127.0.0.1:{gate.port}"
    through = tmp_path / "kubeconfig"
    through.write_text(yaml.safe_dump(config))
    folder = tmp_path / "stack"
    folder.mkdir()
    player = Player.create(folder, env, through, image)
    yield player, gate
    player.pulumi("destroy", "--yes", "--skip-preview")
    gate.stop()


def test_unreachable(gated: tuple[Player, Gate]) -> None:
    player, gate = gated
    player.at("create")
    before: set[str] = set()
    try:
        for number, step in enumerate(STEPS):
            if number == 1:
                before = {resource["urn"] for resource in player.state()}
                gate.close()
                with pytest.raises(ConnectionRefusedError), socket.create_connection(("127.0.0.1", gate.port), 1):
                    pass
                player.at("config")
            played, recorded = player.run(step["command"]), Outcome.recorded(step)
            assert played.operations() == recorded.operations(), step["step"]
            assert played.rc == recorded.rc, step["step"]
            assert played.errors() == recorded.errors(), step["step"]
            assert played.warnings() <= recorded.warnings(), step["step"]
        assert {resource["urn"] for resource in player.state()} == before
    finally:
        gate.reopen()
