"""How long an image's server takes from process start to ready, and what it holds in memory, in a real container."""

import json
import os
import socket
import subprocess
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

POLL_SECONDS = 0.01


@dataclass(frozen=True)
class Started:
    """One start: seconds from the start of the container's first process to its first ready answer; resident MB."""

    ready_seconds: float
    rss_mb: float


def start(image: str, env: Mapping[str, str]) -> Started:
    """Run `image` once in a pod with one CPU, poll it every 10 ms until it is ready, send requests, read its memory.

    The pod uses the node's network so that polling does not have to wait for its address to be published; `env` is
    the environment in which `kubectl` finds the cluster. The node must be this machine: processes are found in /proc.
    """
    identity = uuid.uuid4().hex
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with _pod(image, identity, port, env):
        url = f"http://127.0.0.1:{port}"
        deadline = time.monotonic() + 120
        while not _ready(url):
            if time.monotonic() > deadline:
                raise TimeoutError(f"{image} was not ready within 120 s; kubectl describe pod bench-{identity[:8]}")
            time.sleep(POLL_SECONDS)
        ready_at = time.clock_gettime(time.CLOCK_BOOTTIME)
        processes = _processes(identity)
        model = httpx.get(f"{url}/v2/models/bench").raise_for_status().json()
        body = {"inputs": [{**_zeros(tensor)} for tensor in model["inputs"]]}
        for _ in range(200):
            httpx.post(f"{url}/v2/models/bench/infer", json=body).raise_for_status()
        return Started(ready_at - min(_started(pid) for pid in processes), sum(map(_resident_mb, processes)))


def _zeros(tensor: dict) -> dict:
    shape = [1 if extent < 0 else extent for extent in tensor["shape"]]
    count = 1
    for extent in shape:
        count *= extent
    return {"name": tensor["name"], "datatype": tensor["datatype"], "shape": shape, "data": [0.0] * count}


def _ready(url: str) -> bool:
    try:
        return httpx.get(f"{url}/v2/health/ready", timeout=1).status_code == 200
    except httpx.TransportError:
        return False


@contextmanager
def _pod(image: str, identity: str, port: int, env: Mapping[str, str]) -> Iterator[None]:
    name = f"bench-{identity[:8]}"
    container = {
        "name": "server",
        "image": image,
        "env": [
            {"name": "BENCH_ID", "value": identity},
            {"name": "MODEL_NAME", "value": "bench"},
            {"name": "PORT", "value": str(port)},
        ],
        "resources": {"limits": {"cpu": "1", "memory": "512Mi"}},
    }
    manifest = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {
            "hostNetwork": True,
            "terminationGracePeriodSeconds": 1,
            "restartPolicy": "Never",
            "containers": [container],
        },
    }
    environment = {**os.environ, **env}
    subprocess.run(
        ["kubectl", "apply", "-f", "-"],
        input=json.dumps(manifest),
        text=True,
        check=True,
        env=environment,
        stdout=subprocess.DEVNULL,
    )
    try:
        yield
    finally:
        subprocess.run(
            ["kubectl", "-n", "default", "delete", "pod", name, "--wait=true"],
            check=True,
            env=environment,
            stdout=subprocess.DEVNULL,
        )


def _processes(identity: str) -> list[int]:
    marker = f"BENCH_ID={identity}".encode()
    found = []
    for process in Path("/proc").iterdir():
        if process.name.isdigit():
            try:
                if marker in (process / "environ").read_bytes().split(b"\0"):
                    found.append(int(process.name))
            except OSError:
                continue  # it ended while we looked, or is not ours to read
    if not found:
        raise RuntimeError("the container's processes are not on this machine: run this benchmark with a local cluster")
    return found


def _started(pid: int) -> float:
    """Seconds after boot at which the process started (field 22 of /proc/PID/stat, in clock ticks; proc(5))."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return int(fields[19]) / os.sysconf("SC_CLK_TCK")


def _resident_mb(pid: int) -> float:
    """Resident set in MB (10^6 bytes), VmRSS of /proc/PID/status."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024 / 1e6
    return 0.0
