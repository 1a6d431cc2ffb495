"""Paths, name servers, control groups and CoreDNS: what is derived from the machine."""

from pathlib import Path

import pytest

from toolchain.cluster import ClusterError, cgroups, configuration, coredns, lifecycle, mounts
from toolchain.cluster.layout import Layout

MOUNTINFO = r"""
25 1 254:0 / / rw - ext4 /dev/vda rw
30 25 0:26 / /sys/fs/cgroup rw - tmpfs tmpfs rw
31 30 0:27 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory
32 30 0:28 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw
40 25 254:0 /x /run/model-serving/1/data rw - ext4 /dev/vda rw
41 40 0:50 / /run/model-serving/1/data/with\040blank rw - tmpfs tmpfs rw
42 25 0:51 / /run/model-serving/10 rw - tmpfs tmpfs rw
""".strip()


def test_sockets_stay_short_however_long_the_data_folder_is(tmp_path: Path) -> None:
    layout = Layout.of(tmp_path / "Application Support, with: everything" / ("x" * 200))

    for path in (layout.containerd_socket, layout.kubelet_root / "pod-resources" / "kubelet.sock"):
        assert len(bytes(path)) < 108
        assert not set(str(path)) & set(" ,:")


def test_two_data_folders_have_two_runtime_folders(tmp_path: Path) -> None:
    assert Layout.of(tmp_path / "a").run != Layout.of(tmp_path / "b").run
    assert Layout.of(tmp_path / "a" / ".." / "a").run == Layout.of(tmp_path / "a").run


def test_mounts_are_listed_deepest_first_and_no_neighbour() -> None:
    assert mounts.below(Path("/run/model-serving/1"), MOUNTINFO) == [
        Path("/run/model-serving/1/data/with blank"),
        Path("/run/model-serving/1/data"),
    ]


def test_a_folder_is_never_deleted_through_a_mount() -> None:
    with pytest.raises(ClusterError, match="still mounted"):
        mounts.remove(Path("/proc"))
    assert Path("/proc/self").exists()


def test_cgroup_hierarchies_of_a_hybrid_machine() -> None:
    assert cgroups.hierarchies(MOUNTINFO) == {
        Path("/sys/fs/cgroup/memory"): "cgroup",
        Path("/sys/fs/cgroup/unified"): "cgroup2",
    }


def test_the_pods_group_gets_the_controllers_that_the_kubelet_asks_for(tmp_path: Path) -> None:
    (tmp_path / "cgroup.controllers").write_text("cpuset cpu io memory hugetlb pids rdma misc\n")

    cgroups.create({tmp_path: "cgroup2"})

    asked = set((tmp_path / "cgroup.subtree_control").read_text().split())
    assert asked == {"+cpu", "+cpuset", "+hugetlb", "+io", "+memory", "+pids"}
    assert (tmp_path / "model-serving").is_dir()


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ("nameserver 10.0.0.2\nsearch corp\n", "", "nameserver 10.0.0.2\nsearch corp\n"),
        ("nameserver 127.0.0.53\n", "nameserver 192.0.2.1\n", "nameserver 192.0.2.1\n"),
        ("nameserver 127.0.0.1\nnameserver 10.0.0.2\n", "", "nameserver 10.0.0.2\n"),
        ("nameserver ::1\nnameserver fe80::1%eth0\n", "", "nameserver fe80::1%eth0\n"),
        ("nameserver 127.0.0.1\nsearch corp\n", "", ""),
        ("# nameserver 10.0.0.9\n", "", ""),
    ],
)
def test_pods_get_the_name_servers_they_can_reach(tmp_path: Path, first: str, second: str, expected: str) -> None:
    (tmp_path / "one").write_text(first)
    (tmp_path / "two").write_text(second)

    assert configuration.resolvers((tmp_path / "one", tmp_path / "missing", tmp_path / "two")) == expected


def test_coredns_forwards_only_where_there_is_a_name_server() -> None:
    assert "forward . /etc/resolv.conf" in coredns.corefile("nameserver 10.0.0.2\n")
    assert "forward" not in coredns.corefile("")


def test_coredns_rolls_when_the_name_servers_change() -> None:
    def annotations(resolv_conf: str) -> dict[str, str]:
        [deployment] = [item for item in coredns.objects("image", resolv_conf) if item["kind"] == "Deployment"]
        return deployment["spec"]["template"]["metadata"]["annotations"]

    assert annotations("nameserver 10.0.0.2\n") == annotations("nameserver 10.0.0.2\n")
    assert annotations("nameserver 10.0.0.2\n") != annotations("nameserver 10.0.0.3\n")


def test_coredns_runs_with_no_right_at_all() -> None:
    [deployment] = [item for item in coredns.objects("image", "") if item["kind"] == "Deployment"]
    pod = deployment["spec"]["template"]["spec"]
    [container] = pod["containers"]

    assert pod["securityContext"]["runAsNonRoot"]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "readOnlyRootFilesystem": True,
    }


def test_without_root_nothing_is_touched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)

    with pytest.raises(ClusterError, match="needs root"):
        lifecycle.start(tmp_path / "data", tmp_path, "localhost:5001", print)
    with pytest.raises(ClusterError, match="needs root"):
        lifecycle.stop(tmp_path / "data", print)
    assert not (tmp_path / "data").exists()


def test_status_of_a_folder_without_a_cluster(tmp_path: Path) -> None:
    found = lifecycle.status(tmp_path)

    assert (found.state, found.kubeconfig, found.processes, found.problems) == ("stopped", None, {}, ())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("registry", ["localhost:5001", "127.0.0.1:5055"])
def test_registry_hosts_speak_plain_http(registry: str) -> None:
    assert configuration.registry_hosts(registry) == (
        f'server = "http://{registry}"\n\n[host."http://{registry}"]\ncapabilities = ["pull", "resolve"]\n'
    )
