"""The toolchain at its edges: what it leaves behind, and what it survives.

Services run in a machine of their own (tests.support.machine); tools come from the cache folder.
"""

import json
import os
from collections.abc import Iterator

import pytest

from tests.support.leftovers import OwnServices
from tests.support.machine import Machine, differences

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnServices]:
    if os.geteuid() != 0:
        pytest.skip("a cluster needs root")
    machine = Machine()
    machine.boot()
    yield OwnServices(machine, tmp_path_factory.mktemp("services"))
    machine.halt()


def test_down_leaves_nothing_behind(services: OwnServices) -> None:
    users = services.users_files()
    before = services.machine.snapshot()

    services.start()
    assert services.users_files() == users
    services.use()

    seen = {line.split(":")[0].removeprefix("+ ") for line in differences(before, services.machine.snapshot())}
    assert seen >= {"processes", "mounts", "links", "routes", "listening", "sockets", "iptables", "files", "groups"}
    services.down()
    assert differences(before, services.machine.snapshot()) == []
    assert list(services.temporary.iterdir()) == []
    assert users.items() <= services.users_files().items()  # kubectl, which is ours here, keeps a cache there


def test_a_reboot_in_between(services: OwnServices) -> None:
    """Processes, mounts, rules and control groups are gone; sockets, records of pids and open databases are there."""
    before = services.machine.snapshot()
    services.start()
    services.machine.halt()
    services.machine.boot()
    table = services.data / "model-serving" / "services" / "processes.json"
    records = json.loads(table.read_text())
    # The new machine has the old one's kernel; and its first processes may well have the recorded pids.
    table.write_text(json.dumps({name: {**record, "boot": "the one before"} for name, record in records.items()}))

    services.start()

    services.wait()  # etcd has its objects, the node its images
    services.build()  # the builder has its cache, the registry its images
    services.down()
    assert differences(before, services.machine.snapshot()) == []
