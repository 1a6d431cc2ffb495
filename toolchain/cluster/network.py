"""What the cluster sets up in the host's network, and takes away again: bridge, route, rules, kernel settings."""

import contextlib
import json
import shlex
import subprocess
from pathlib import Path

from toolchain.cluster.command import run
from toolchain.cluster.errors import ClusterError
from toolchain.cluster.files import read_json, write_json
from toolchain.cluster.layout import BRIDGE, NODE_IP, POD_CIDR, SERVICE_CIDR, Layout

_CHAIN = "MODEL-SERVING"
# table: the built-in chain that jumps to a chain of ours: that chain's rules. First in line, because a host's own
# firewall often ends in "reject the rest".
_CHAINS = {
    "nat": {"POSTROUTING": [f"-s {POD_CIDR} ! -o {BRIDGE} -j MASQUERADE"]},  # pods reach out in the host's name
    "filter": {
        "INPUT": [f"-i {BRIDGE} -d {NODE_IP}/32 -j ACCEPT"],  # pods reach the API server
        "FORWARD": [f"-i {BRIDGE} -j ACCEPT", f"-o {BRIDGE} -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT"],
    },
}
_FORWARD = Path("/proc/sys/net/ipv4/ip_forward")
_BRIDGE_FILTER = Path("/proc/sys/net/bridge/bridge-nf-call-iptables")
_SET_BY_US = {_FORWARD: "1", _BRIDGE_FILTER: "1"}
# The kubelet sets the last three, kube-proxy the first.
_SET_BY_OTHERS = tuple(
    Path("/proc/sys", name)
    for name in (
        "net/ipv4/conf/all/route_localnet",
        "vm/overcommit_memory",
        "kernel/panic",
        "kernel/panic_on_oops",
        "kernel/keys/root_maxkeys",
        "kernel/keys/root_maxbytes",
    )
)


def set_up(layout: Layout) -> None:
    """Make the bridge with the node's address, the route to the Services and the rules; what is there stays."""
    _check_free()
    _set_sysctls(layout)
    links = {link["ifname"] for link in json.loads(run(["ip", "-j", "link", "show"], what="pod network"))}
    if BRIDGE not in links:
        run(["ip", "link", "add", BRIDGE, "type", "bridge"], what="pod network")
    run(["ip", "addr", "replace", f"{NODE_IP}/{POD_CIDR.partition('/')[2]}", "dev", BRIDGE], what="pod network")
    run(["ip", "link", "set", BRIDGE, "up"], what="pod network")
    # Without it, a host that is offline or behind a VPN sends Service addresses elsewhere before kube-proxy sees them.
    run(["ip", "route", "replace", SERVICE_CIDR, "dev", BRIDGE, "src", NODE_IP], what="pod network")
    run(["iptables-restore", "--noflush", "-w"], stdin=rules(run(["iptables-save"], what="rules")), what="rules")


def _check_free() -> None:
    for block in (POD_CIDR, SERVICE_CIDR):
        # "root": what lies within the block. A wider route, a VPN's 10.0.0.0/8 for one, does no harm: ours is nearer.
        for route in json.loads(run(["ip", "-j", "route", "show", "root", block], what="pod network") or "[]"):
            if route.get("dev") != BRIDGE:
                raise ClusterError(
                    f"pod network: {route['dst']} is routed to {route.get('dev', 'nowhere')} on this machine, and the "
                    f"cluster needs {block}. Remove that route (`ip route del {route['dst']}`), or use another cluster"
                )


def rules(saved: str) -> str:
    """Input of iptables-restore: our chains, and the jumps to them that ``saved`` lacks."""
    lines: list[str] = []
    for table, chains in _CHAINS.items():
        section = saved.partition(f"*{table}\n")[2].partition("COMMIT")[0].splitlines()
        lines += [f"*{table}", *(f":{_CHAIN}-{builtin} - [0:0]" for builtin in chains)]
        for builtin, wanted in chains.items():
            if f"-A {builtin} -j {_CHAIN}-{builtin}" not in section:
                lines.append(f"-I {builtin} 1 -j {_CHAIN}-{builtin}")
            lines += [f"-A {_CHAIN}-{builtin} {rule}" for rule in wanted]
        lines.append("COMMIT")
    return "\n".join(lines) + "\n"


def tear_down(layout: Layout) -> None:
    """Remove the bridge, its pods' links, our and kube-proxy's rules, and reset the kernel's settings."""
    links = json.loads(run(["ip", "-j", "link", "show"], what="pod network"))
    for link in [link for link in links if link.get("master") == BRIDGE] + [
        link for link in links if link["ifname"] == BRIDGE
    ]:
        # A pod's link goes with its namespace, perhaps just now.
        subprocess.run(["ip", "link", "delete", link["ifname"]], capture_output=True, check=False)
    for family in ("iptables", "ip6tables"):
        script = removal(run([f"{family}-save"], what="rules"))
        if script:
            run([f"{family}-restore", "--noflush", "-w"], stdin=script, what="rules")
    _reset_sysctls(layout)


def removal(saved: str) -> str:
    """Input of iptables-restore that removes Kubernetes' and our chains and the jumps to them, and nothing else."""
    script: list[str] = []
    for section in ("\n" + saved).split("\n*")[1:]:
        table, *lines = section.splitlines()
        chains = [line[1:].split()[0] for line in lines if line.startswith(":") and _ours(line[1:].split()[0])]
        if not chains:
            continue
        jumps = [line for line in lines if line.startswith("-A ") and not _ours(line.split()[1])]
        script += [f"*{table}", *(f":{chain} - [0:0]" for chain in chains)]
        script += ["-D" + line[2:] for line in jumps if _ours(_target(line))]
        script += [*(f"-X {chain}" for chain in chains), "COMMIT"]
    return "\n".join(script) + "\n" if script else ""


def _ours(chain: str) -> bool:
    # The whole machine's KUBE- chains are ours: a cluster does not start beside another one.
    return chain.startswith(("KUBE-", f"{_CHAIN}-"))


def _target(rule: str) -> str:
    words = shlex.split(rule)  # a comment in quotes may hold anything
    return next((words[i + 1] for i in range(len(words) - 1) if words[i] in ("-j", "-g")), "")


def _set_sysctls(layout: Layout) -> None:
    if not _BRIDGE_FILTER.exists():
        subprocess.run(["modprobe", "br_netfilter"], capture_output=True, check=False)
    if not layout.sysctls.exists():
        paths = (*_SET_BY_US, *_SET_BY_OTHERS)
        write_json(layout.sysctls, {str(path): path.read_text().strip() for path in paths if path.exists()})
    for path, value in _SET_BY_US.items():
        try:
            if path.read_text().strip() != value:
                path.write_text(value)
        except OSError as error:
            raise ClusterError(f"pod network: cannot set {path} to {value}: {error.strerror}") from error


def _reset_sysctls(layout: Layout) -> None:
    for name, value in read_json(layout.sysctls, {}).items():
        path = Path(name)
        if path == _FORWARD and "-A " in run(["iptables-save"], what="rules"):
            continue  # somebody else, Docker for one, has come to need it
        with contextlib.suppress(OSError):
            if path.read_text().strip() != value:
                path.write_text(value)
    layout.sysctls.unlink(missing_ok=True)
