"""One cluster per machine, one command at a time."""

import contextlib
import fcntl
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from toolchain.cluster import processes
from toolchain.cluster.errors import ClusterError
from toolchain.cluster.files import read_json, write_json
from toolchain.cluster.layout import RUN_ROOT, Layout

_OWNER = RUN_ROOT / "owner.json"
_KUBERNETES = {"kubelet", "kube-proxy", "k3s", "k3s-server", "k3s-agent", "k0s", "rke2", "kubelite"}


@contextlib.contextmanager
def one_command(progress: Callable[[str], None]) -> Iterator[None]:
    """Hold the machine's lock: a second start or stop waits here for the first."""
    RUN_ROOT.mkdir(parents=True, exist_ok=True)
    # The file stays: deleting it would let two processes lock two files of one name.
    with (RUN_ROOT / "lock").open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            progress(f"waiting for another command on the local cluster (pid {file.read().strip()})")
            fcntl.flock(file, fcntl.LOCK_EX)
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


def claim(layout: Layout) -> Layout | None:
    """Take the machine for this cluster. The layout of another one that died here without a stop, to be cleared.

    Raises ClusterError when another cluster runs here: kube-proxy's rules, the bridge and the node's address exist
    once in a network.
    """
    owner = read_json(_OWNER, {})
    abandoned = None
    if owner and owner["data"] != str(layout.data):
        other = Layout(data=Path(owner["data"]), run=Path(owner["run"]))
        living = [record for record in processes.load(other.processes).values() if record.alive]
        if living:
            raise ClusterError(
                f"another local cluster runs on this machine: data folder {other.data.parent}, "
                f"{living[0].name} has pid {living[0].pid}. A machine has room for one: stop that one first "
                f"(python -m toolchain.cluster stop --data '{other.data.parent}')"
            )
        abandoned = other
    ours = {record.pid for record in processes.load(layout.processes).values() if record.alive}
    network = str(Path("/proc/self/ns/net").readlink())
    for pid, argv in processes.running():
        name = Path(argv[0]).name
        if name in _KUBERNETES and pid not in ours and _network(pid) == network:
            raise ClusterError(
                f"another Kubernetes runs on this machine: {name} has pid {pid}. Its network rules and ours would "
                "overwrite each other: stop it first, or name its context in the stack's configuration"
            )
    write_json(_OWNER, {"data": str(layout.data), "run": str(layout.run)})
    return abandoned


def release(layout: Layout) -> None:
    """Give the machine back."""
    if read_json(_OWNER, {}).get("data") == str(layout.data):
        _OWNER.unlink()


def _network(pid: int) -> str:
    try:
        return str(Path(f"/proc/{pid}/ns/net").readlink())
    except OSError:
        return ""
