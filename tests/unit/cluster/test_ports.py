"""Ports: the usual one, else a free one, and the same one again."""

import json
import socket
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import pytest

from toolchain.cluster import ports


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        yield server.getsockname()[1]


def test_a_taken_port_is_replaced_and_the_choice_kept(tmp_path: Path, taken: int) -> None:
    recorded = tmp_path / "ports.json"
    recorded.write_text(json.dumps({"apiserver": taken}))

    first = ports.choose(recorded, living=[])

    assert first.apiserver != taken
    assert ports.choose(recorded, living=[]) == first == ports.load(recorded)


def test_a_port_in_use_by_our_own_process_is_kept(tmp_path: Path, taken: int) -> None:
    recorded = tmp_path / "ports.json"
    recorded.write_text(json.dumps({"apiserver": taken}))

    assert ports.choose(recorded, living=["kube-apiserver"]).apiserver == taken


def test_no_port_is_given_twice(tmp_path: Path, taken: int) -> None:
    recorded = tmp_path / "ports.json"
    recorded.write_text(json.dumps(dict.fromkeys(asdict(ports.Ports()), taken)))

    chosen = asdict(ports.choose(recorded, living=[])).values()

    assert len(set(chosen)) == len(chosen)


def test_every_port_has_an_owner(tmp_path: Path) -> None:
    recorded = tmp_path / "ports.json"
    everybody = {"etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy"}

    assert ports.choose(recorded, living=everybody) == ports.Ports()
