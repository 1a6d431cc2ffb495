"""A machine within the machine: its own network, mounts, processes, /run and control groups, on the same kernel.

A cluster can start, stop and be cut off in it without touching the host's, and what it leaves behind can be told
exactly. It has no network but the loopback interface: what runs in it works offline.

Needs root on Linux.
"""

import json
import os
import re
import shlex
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from tests.support.workspace import ROOT

_LOCK = ("/run/model-serving", "/run/model-serving/lock")
_SYSCTLS = ("net/ipv4/ip_forward", "net/ipv4/conf/all/route_localnet")
_FOLDERS = ("/run", "/var/lib/cni", "/var/lib/kubelet", "/var/log/containers", "/var/log/pods", "/etc/cni")


class Machine:
    """One such machine; ``boot`` it first, ``halt`` it at the end."""

    def __init__(self) -> None:
        self._group = f"machine-{os.getpid()}"
        self._init: subprocess.Popen[str] | None = None

    def boot(self) -> None:
        """Start it, with an empty /run and no process but its first."""
        groups = [root / self._group for root in _hierarchies()]
        for group in groups:
            group.mkdir(exist_ok=True)
        for name in ("cpuset.cpus", "cpuset.mems"):  # a new group of cgroup v1 has none, and then takes no process
            for root in _hierarchies():
                if (root / name).exists() and (root / self._group / name).exists():
                    (root / self._group / name).write_text((root / name).read_text())
        remount = [
            f"umount {shlex.quote(str(root))} && mount -t {options} cgroup {shlex.quote(str(root))}"
            for root, options in _hierarchies().items()
        ]
        script = [
            *remount,
            # What the host has mounted there would come and go with the host's own clusters.
            "awk '$5 ~ \"^/(run|tmp)/|/model-serving/\" { print $5 }' /proc/self/mountinfo | tac |"
            " while read -r point; do",
            '  umount --lazy "$(printf %b "$point")" || true',
            "done",
            "mount -t tmpfs run /run",
            "mkdir /run/upper /run/work",
            # In the overlay only: the host's files stay, and its own cluster's comings and goings do not show.
            "mount -t overlay -o lowerdir=/var,upperdir=/run/upper,workdir=/run/work overlay /var"
            " && rm -rf /var/lib/cni /var/lib/kubelet /var/log/containers /var/log/pods",
            "mount -t tmpfs run /run",
            "mkdir /run/mount",  # mount(8) makes it, and leaves it
            "ip link set lo up",
            "echo booted",
            "while true; do sleep 1000 & wait; done",  # bash reaps what loses its parent, as an init does
        ]
        unshare = ["unshare", "--mount", "--net", "--pid", "--cgroup", "--fork", "--kill-child", "--mount-proc"]
        self._init = subprocess.Popen(
            self._joined([*unshare, "bash", "-ec", "\n".join(script)]), stdout=subprocess.PIPE, text=True
        )
        assert self._init.stdout is not None
        assert self._init.stdout.readline() == "booted\n"

    def halt(self) -> None:
        """Cut it off: every process is killed at once, nothing is stopped in order."""
        if self._init is None:
            return
        self._init.kill()
        self._init.wait()
        if self._init.stdout:
            self._init.stdout.close()
        self._init = None
        for root in _hierarchies():
            for folder, _, _ in os.walk(root / self._group, topdown=False):
                _retry_rmdir(Path(folder))

    def run(self, *argv: str, env: dict[str, str] | None = None, stdin: str = "") -> subprocess.CompletedProcess[str]:
        """Run a command in it, in the checkout, and return it with its output, whatever its exit code."""
        assert self._init is not None, "the machine is halted"
        [child] = Path(f"/proc/{self._init.pid}/task/{self._init.pid}/children").read_text().split()
        enter = ["nsenter", "--target", child, "--mount", "--net", "--pid", "--cgroup", f"--wd={ROOT}", *argv]
        return subprocess.run(
            self._joined(enter), env={**os.environ, **(env or {})}, input=stdin, capture_output=True, text=True
        )

    def snapshot(self) -> dict[str, Any]:
        """Everything in it that a cluster could leave behind."""
        done = self.run(sys.executable, "-m", "tests.support.machine")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def _joined(self, argv: list[str]) -> list[str]:
        """The command, run in the machine's control groups."""
        joins = [f"echo $$ > {shlex.quote(str(root / self._group / 'cgroup.procs'))}" for root in _hierarchies()]
        return ["sh", "-ec", "\n".join([*joins, f"exec {shlex.join(argv)}"])]


def differences(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """What two snapshots do not share, a line each: "+ mounts: /run/x" is new, "- links: eth0" is gone.

    But for a lock file below /run, which stays: a lock that is deleted can be held twice.
    """
    lines: list[str] = []
    for kind in before:
        old, new = (
            Counter(found if isinstance(found, list) else [f"{key}={value}" for key, value in found.items()])
            for found in (before[kind], after[kind])
        )
        lines += [f"+ {kind}: {one}" for one in (new - old).elements() if one not in _LOCK]
        lines += [f"- {kind}: {one}" for one in (old - new).elements() if one not in _LOCK]
    return lines


def _hierarchies() -> dict[Path, str]:
    """Mount point of each cgroup hierarchy, and its type and options for `mount -t`."""
    found: dict[Path, str] = {}
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        before, _, after = line.partition(" - ")
        kind, _, options = after.split()
        if kind == "cgroup2":
            found[Path(before.split()[4])] = "cgroup2"
        elif kind == "cgroup":
            names = [option for option in options.split(",") if option != "rw"]
            found[Path(before.split()[4])] = "cgroup -o " + ",".join(
                f"none,{name}" if name.startswith("name=") else name for name in names
            )
    return found


def _retry_rmdir(folder: Path) -> None:
    for _ in range(100):
        try:
            folder.rmdir()
        except OSError:
            subprocess.run(["sleep", "0.05"], check=True)  # a killed process leaves its group a moment later
        else:
            return


def _snapshot() -> dict[str, Any]:
    def output(*argv: str) -> list[str]:
        return subprocess.run(argv, check=True, capture_output=True, text=True).stdout.splitlines()

    def rules(program: str) -> list[str]:
        lines = [line for line in output(program) if not line.startswith(("#", "*", "COMMIT"))]
        return sorted(re.sub(r"\[\d+:\d+\]", "", line) for line in lines if " ACCEPT [" not in line)

    own = {os.getpid(), os.getppid()}
    names = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) not in own:
            try:
                state = (entry / "stat").read_text().rpartition(")")[2].split()[0]
                if state != "Z" and (entry / "cmdline").read_bytes():
                    names[entry.name] = (entry / "comm").read_text().strip()
            except (FileNotFoundError, ProcessLookupError):
                continue
    return {
        "processes": sorted(name for name in names.values() if name not in ("sleep", "ps")),
        "mounts": sorted(line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()),
        "links": sorted(link["ifname"] for link in json.loads("".join(output("ip", "-j", "link")))),
        "routes": sorted(output("ip", "route")),
        "listening": sorted(" ".join(line.split()[index] for index in (0, 4)) for line in output("ss", "-Hltun")),
        "sockets": sorted(
            line.split()[7] for line in Path("/proc/net/unix").read_text().splitlines()[1:] if len(line.split()) > 7
        ),
        "iptables": rules("iptables-save"),
        "ip6tables": rules("ip6tables-save"),
        "files": sorted(
            str(path) for folder in _FOLDERS for path in (Path(folder), *Path(folder).rglob("*")) if path.exists()
        ),
        "groups": sorted(str(path) for root in _hierarchies() for path in root.glob("*") if path.is_dir()),
        "sysctls": {name: Path("/proc/sys", name).read_text().strip() for name in _SYSCTLS},
    }


if __name__ == "__main__":
    print(json.dumps(_snapshot()))
