"""What `make update` chooses, what it leaves alone, and that it changes all of it or nothing."""

import hashlib
import os
import subprocess
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import yaml

from components.planning import gpu_support, monitoring_chart
from components.planning.charts import PinnedChart
from toolchain import paths
from toolchain.errors import ToolchainError
from toolchain.progress import Step
from toolchain.supply import renew_actions, renew_charts, renew_modules, renew_requirements, share_modules, update

COMMITS = {tag: f"{number:040x}" for number, tag in enumerate(("v6.0.3", "v6.1.0", "v6.0.10", "v7.0.0"), 1)}
WORKFLOW = "steps:\n  - uses: {0}@{1} # v6.0.3\n  - uses: {0}/sub@{1} # v6.0.3\n"


CHARTS = """A = PinnedChart(
    name="alpha", repository="http://127.0.0.1:1/charts", version="v1.2.0"
)
B = PinnedChart(
    name="beta",
    repository="http://127.0.0.1:1/charts",
    version="0.18.0",
    digest="sha256:00",
)
C = PinnedChart(name="gamma", repository="http://127.0.0.1:1/charts", version="1.0.0")
"""
INDEX = {
    "alpha": ["v1.2.0", "v1.10.0", "v1.11.0-rc.1", "v2.0.0"],
    "beta": ["0.19.0", "0.18.3", "0.18.0"],
}


def relative(files: list[Path], root: Path) -> list[str]:
    return [file.relative_to(root).as_posix() for file in files]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A repository with one of each."""
    root = tmp_path / "root"
    for name, text in {
        "requirements.in": "alpha\n",
        "requirements.txt": "alpha==1.0 --hash=sha256:00\n",
        "a/requirements/one.in": "-c ../../requirements.txt\nbeta\n",
        "a/requirements/one.txt": "beta==1.0 --hash=sha256:00\n",
        "a/requirements.in": "-r requirements/one.in\n",
        "a/requirements.txt": "beta==1.0 --hash=sha256:00\n",
        "toolchain/versions.py": 'ACTIONLINT = "1.7.12"\n',
        "toolchain/modules/actionlint/go.mod": "module x\n\nrequire github.com/rhysd/actionlint v1.7.12\n",
        "toolchain/modules/actionlint/go.sum": "",
        "components/planning/gpu.py": CHARTS,
        ".github/workflows/test.yml": WORKFLOW.format("actions/checkout", COMMITS["v6.0.3"]),
    }.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root.resolve()


def test_a_file_comes_after_those_that_it_refers_to(root: Path) -> None:
    assert relative(renew_requirements.targets(root), root) == [
        "requirements.in",
        "a/requirements/one.in",
        "a/requirements.in",
    ]
    (root / "requirements.in").write_text("-c a/requirements.txt\nalpha\n")
    with pytest.raises(ToolchainError, match="refer to each other in a circle"):
        renew_requirements.targets(root)


def test_what_is_pinned_and_not_asked_for_is_an_error(root: Path) -> None:
    (root / "a/requirements.in").unlink()
    with pytest.raises(ToolchainError, match=r"there is no a/requirements\.in"):
        renew_requirements.targets(root)


@pytest.mark.parametrize(
    ("what", "chosen"),
    [
        ("modules", {"modules": ["toolchain/modules/actionlint"]}),
        ("a", {"requirements": ["a/requirements/one.in", "a/requirements.in"]}),
        ("a/requirements/one.txt", {"requirements": ["a/requirements/one.in"]}),
        ("a/requirements.in a/requirements/one.in", {"requirements": ["a/requirements/one.in", "a/requirements.in"]}),
        ("toolchain actions", {"modules": ["toolchain/modules/actionlint"], "actions": [".github/workflows/test.yml"]}),
    ],
)
def test_kinds_and_paths_can_be_asked_for(root: Path, what: str, chosen: dict[str, list[str]]) -> None:
    found = update.select(what.split(), root)
    assert {name: relative(files, root) for name, files in found.items()} == chosen


def test_everything_is_asked_for_by_nothing(root: Path) -> None:
    assert list(update.select([], root)) == list(update.KINDS)


@pytest.mark.parametrize("what", ["module", "b/requirements.txt", "toolchain/modules/helm"])
def test_what_is_not_pinned_is_an_error(root: Path, what: str) -> None:
    with pytest.raises(ToolchainError, match=f"nothing is pinned at {what}"):
        update.select([what], root)


def test_what_changed_is_told_by_package(tmp_path: Path) -> None:
    before, after = tmp_path / "before-requirements.txt", tmp_path / "after-requirements.txt"
    before.write_text("a==1 --hash=x\nb==1\nc==1 ; python_version < '3.12'\nc==2 ; python_version >= '3.12'\n")
    after.write_text("a==1 --hash=y\nc==1 ; python_version < '3.12'\nc==3 ; python_version >= '3.12'\nd==1\n")
    assert renew_requirements.changes(before, after) == ["b 1 -> none", "c 1, 2 -> 1, 3", "d none -> 1"]


def test_a_failure_changes_nothing(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def renew(files: list[Path], copy: Path, step: Step) -> list[str]:
        for file in files:
            file.with_suffix(".txt").write_text("alpha==2.0 --hash=sha256:00\n")
        raise ToolchainError("update", "no solution")

    kind = update.KINDS["requirements"]
    failing = update.Kind(kind.targets, renew, kind.changes, kind.written)  # type: ignore[arg-type]
    monkeypatch.setitem(update.KINDS, "requirements", failing)
    before = {file: file.read_bytes() for file in root.rglob("*") if file.is_file()}
    with pytest.raises(ToolchainError, match="no solution"):
        update.update(["requirements"], root)
    assert {file: file.read_bytes() for file in root.rglob("*") if file.is_file()} == before


def test_every_module_of_this_repository_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    folders = renew_modules.targets(paths.REPOSITORY)
    assert set(renew_modules.HELD) < {folder.name for folder in folders}
    for folder in folders:
        module, version = renew_modules.pinned_module(folder, paths.REPOSITORY)
        assert f"{module} {version} h1:" in (folder / "go.sum").read_text()
        assert folder.name in renew_modules.built_packages()


@pytest.fixture
def github(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """An action's repository, served to git as if it were on GitHub. Its newest tag is annotated."""
    here = tmp_path / "github" / "acme" / "action"
    here.mkdir(parents=True)

    def git(*arguments: str) -> str:
        command = ["git", "-c", "user.name=test", "-c", "user.email=test@example.com", *arguments]
        return subprocess.run(command, cwd=here, check=True, capture_output=True, text=True).stdout.strip()

    git("init", "--quiet")
    for tag in ("v6", "v6.0.3", "v6.0.10", "v6.1.0-rc.1", "v7.0.0"):
        git("commit", "--quiet", "--allow-empty", "--message", tag)
        git("tag", *(["--annotate", "--message", tag] if tag == "v6.0.10" else []), tag)
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", f"url.file://{tmp_path}/github/.insteadOf")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", "https://github.com/")
    return git("rev-parse", "v6.0.10^{commit}")


def test_an_action_is_renewed_within_its_major_version(root: Path, github: str) -> None:
    file = root / ".github/workflows/test.yml"
    file.write_text(WORKFLOW.format("acme/action", "0" * 40))
    before = root / "before.yml"
    before.write_text(file.read_text())
    assert renew_actions.renew([file], root, Step("")) == []
    assert file.read_text() == WORKFLOW.format("acme/action", github).replace("v6.0.3", "v6.0.10")
    assert renew_actions.changes(before, file) == [
        f"{name} v6.0.3 (000000000000) -> v6.0.10 ({github[:12]})" for name in ("acme/action", "acme/action/sub")
    ]


def test_an_action_that_cannot_be_asked_about_is_told_and_left(root: Path, github: str) -> None:
    file = root / ".github/workflows/test.yml"
    file.write_text(WORKFLOW.format("acme/other", "0" * 40))
    [line] = renew_actions.renew([file], root, Step(""))
    assert line.startswith("acme/other v6.0.3 is not renewed: ")
    assert "0" * 40 in file.read_text()


def test_a_chart_is_renewed_with_its_digest(root: Path, tmp_path: Path) -> None:
    digests = {version: hashlib.sha256(version.encode()).hexdigest() for listed in INDEX.values() for version in listed}
    served = tmp_path / "served" / "charts"
    served.mkdir(parents=True)
    entries = {
        name: [{"name": name, "version": version, "digest": digests[version]} for version in listed]
        for name, listed in INDEX.items()
    }
    (served / "index.yaml").write_text(yaml.safe_dump({"apiVersion": "v1", "entries": entries}))
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(SimpleHTTPRequestHandler, directory=str(served.parent)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    file, before = root / "components/planning/gpu.py", tmp_path / "before.py"
    file.write_text(CHARTS.replace("127.0.0.1:1/", f"127.0.0.1:{server.server_port}/"))
    before.write_text(file.read_text())
    try:
        [line] = renew_charts.renew([file], root, Step(""))
    finally:
        server.shutdown()
        server.server_close()
    assert line.startswith("chart gamma 1.0.0 is not renewed: ")
    made: dict[str, PinnedChart] = {}
    exec(file.read_text(), {"PinnedChart": PinnedChart}, made)
    assert (made["A"].version, made["A"].digest) == ("v1.10.0", f"sha256:{digests['v1.10.0']}")
    assert (made["B"].version, made["B"].digest) == ("0.18.3", f"sha256:{digests['0.18.3']}")
    assert (made["C"].version, made["C"].digest) == ("1.0.0", None)
    assert renew_charts.changes(before, file) == [
        f"alpha v1.2.0 (no digest) -> v1.10.0 (sha256:{digests['v1.10.0'][:12]})",
        f"beta 0.18.0 (sha256:00) -> 0.18.3 (sha256:{digests['0.18.3'][:12]})",
    ]


def test_a_repository_that_cannot_be_reached_is_told_and_its_charts_left(root: Path) -> None:
    file = root / "components/planning/gpu.py"
    lines = renew_charts.renew([file], root, Step(""))
    assert [line.partition(" is not renewed: ")[0] for line in lines] == [
        "chart alpha v1.2.0",
        "chart beta 0.18.0",
        "chart gamma 1.0.0",
    ]
    assert file.read_text() == CHARTS


def test_every_chart_of_this_repository_is_found() -> None:
    found = {
        chart["name"]
        for file in renew_charts.targets(paths.REPOSITORY)
        for chart in renew_charts._pinned(file.read_text())
    }
    assert found == {chart.name for chart in (*gpu_support.CHARTS.values(), monitoring_chart.CHART)}


def test_the_whole_is_taken_over_or_nothing(root: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    for name in ("requirements.txt", "a/requirements.txt"):
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        (copy / name).write_text("new")
    (root / "requirements.txt").chmod(0o640)
    with pytest.raises(OSError, match="gone"):
        update._take_over([Path("requirements.txt"), Path("a/gone.txt")], copy, root)
    assert "new" not in (root / "requirements.txt").read_text()
    update._take_over([Path("requirements.txt"), Path("a/requirements.txt")], copy, root)
    assert (root / "requirements.txt").read_text() == (root / "a/requirements.txt").read_text() == "new"
    assert (root / "requirements.txt").stat().st_mode & 0o777 == 0o640
    assert not [name for _, _, names in os.walk(root) for name in names if name.endswith(".update")]


def test_what_several_programs_need_is_of_one_version() -> None:
    assert share_modules.apart(paths.REPOSITORY) == []
    shared, others = share_modules.families(paths.REPOSITORY)
    assert {folder.name for folder in shared} >= {"kubernetes", "coredns"}
    assert {folder.name for folder in others} >= {"pulumi", "docker-build"}


def test_versions_are_in_the_order_of_go() -> None:
    ordered = [
        "v0.0.0-20240101000000-aaaaaaaaaaaa",
        "v0.9.0",
        "v0.10.0-rc.2",
        "v0.10.0-rc.10",
        "v0.10.0-rc.10.0.20240101000000-aaaaaaaaaaaa",
        "v0.10.0",
        "v2.0.0+incompatible",
        "v10.0.0",
    ]
    assert sorted(set(ordered), key=share_modules.order) == ordered


GO_MOD = """module {name}

require github.com/rhysd/actionlint v1.7.12

require (
	example.com/shared {shared} // indirect
	example.com/{name} v1.0.0 // indirect
)
"""


@pytest.fixture
def three(root: Path) -> Path:
    """Modules of one family, and one of the other, which need the same in different versions."""
    for name, version in {"actionlint": "v1.2.0", "helm": "v1.10.0", "oras": "v1.9.0", "etcd": "v3.0.0"}.items():
        folder = root / renew_modules.MODULES / name
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "go.mod").write_text(GO_MOD.format(name=name, shared=version))
        (folder / "go.sum").write_text(f"sums of {name}\n")
    versions = "".join(f'{name} = "1.7.12"\n' for name in ("ACTIONLINT", "HELM", "ORAS", "ETCD"))
    (root / renew_modules.VERSIONS).write_text(versions)
    return root


def test_what_is_shared_is_the_newest_that_one_of_the_family_needs(three: Path) -> None:
    assert share_modules.apart(three) == [
        "actionlint: example.com/shared v1.2.0, others need v1.10.0",
        "oras: example.com/shared v1.9.0, others need v1.10.0",
    ]


def test_a_module_that_cannot_be_raised_keeps_its_own(three: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def run_go(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
        assert arguments[:2] == ("mod", "edit")
        file = folder / "go.mod"
        file.write_text(file.read_text().replace("shared v1.2.0", "shared v1.10.0"))
        return subprocess.CompletedProcess(arguments, 0, "", "")

    def resolve(folder: Path, version: str) -> subprocess.CompletedProcess[str]:
        assert version == "v1.7.12"
        if folder.name == "oras":
            return subprocess.CompletedProcess((), 1, "", "go: it wants a newer Go\n")
        (folder / "go.sum").write_text("new sums\n")
        return subprocess.CompletedProcess((), 0, "", "")

    monkeypatch.setattr(share_modules, "run_go", run_go)
    monkeypatch.setattr(renew_modules, "resolve", resolve)
    before = (three / "toolchain/modules/oras/go.mod").read_text()
    left = share_modules.share(renew_modules.targets(three), three, Step(""))
    assert left == ["oras keeps its own versions of what others need too: go: it wants a newer Go"]
    assert (three / "toolchain/modules/oras/go.mod").read_text() == before
    assert (three / "toolchain/modules/oras/go.sum").read_text() == "sums of oras\n"
    assert "shared v1.10.0" in (three / "toolchain/modules/actionlint/go.mod").read_text()
    assert (three / "toolchain/modules/actionlint/go.sum").read_text() == "new sums\n"
