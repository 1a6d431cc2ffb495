"""Where a part comes from, and what happens when getting it fails."""

import errno
import io
import os
import threading
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from rich.console import Console

from toolchain import lock, paths
from toolchain.errors import DiskFull, ToolchainError
from toolchain.parts.install import bin_folder, install, plan
from toolchain.parts.model import Found, Part
from toolchain.progress import Progress, Step


@dataclass
class Place:
    """A source that writes a program with a text, or fails."""

    label: str
    text: str = "built"
    reachable: bool = True
    lacks: tuple[str, ...] = ()
    error: str = ""
    asked: list[str] = field(default_factory=list)

    def available(self) -> bool:
        self.asked.append("available")
        return self.reachable

    def missing(self) -> list[str]:
        return list(self.lacks)

    def obtain(self, folder: Path, step: Step, tools: Path) -> None:
        self.asked.append("obtain")
        (folder / "half").touch()
        if self.error:
            raise ToolchainError(self.label, self.error)
        (folder / "half").unlink()
        (folder / "tool").write_text(self.text)
        (folder / "tool").chmod(0o755)


def part(*sources: Place, name: str = "Tool", **changes: object) -> Part:
    return Part(name=name, version="1.0", sources=sources, executables=("tool",), **changes)  # type: ignore[arg-type]


@pytest.fixture
def log() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def progress(log: io.StringIO) -> Progress:
    return Progress(Console(file=log, width=200))


def test_a_part_is_had_once_and_linked(progress: Progress) -> None:
    place = Place("build")
    (found,) = install([part(place)], progress)
    assert Path(found.where) == paths.cache() / "tools" / "tool-1.0"
    assert (bin_folder() / "tool").read_text() == "built"
    install([part(place)], progress)
    assert place.asked.count("obtain") == 1


def test_what_is_installed_is_used_before_any_source(progress: Progress) -> None:
    place = Place("build")
    assert plan(part(place, detect=lambda: Found("1.1", "/usr/bin/tool"))).found == Found("1.1", "/usr/bin/tool")
    assert place.asked == []


def test_what_the_user_installs_later_takes_the_place_of_our_copy(progress: Progress) -> None:
    install([part(Place("build"))], progress)
    install([part(Place("build"), detect=lambda: Found("1.1", "/usr/bin/tool"))], progress)
    assert not (bin_folder() / "tool").exists()
    install([part(Place("build"))], progress)
    assert (bin_folder() / "tool").exists()


def test_a_killed_runs_leftovers_are_dropped(progress: Progress) -> None:
    leftover = paths.cache() / "tools" / ".tool-half"
    leftover.mkdir(parents=True)
    install([part(Place("build"))], progress)
    assert not leftover.exists()


def test_nobody_installs_beside_another_process(progress: Progress) -> None:
    place = Place("build")
    with lock.of_cache(), pytest.raises(ToolchainError, match=f"process {os.getpid()}"):
        install([part(place)], progress)
    assert "obtain" not in place.asked


def test_what_is_there_already_needs_no_lock(progress: Progress) -> None:
    install([part(Place("build"))], progress)
    with lock.of_cache():
        install([part(Place("build"))], progress)


def test_a_full_disk_is_no_reason_to_try_another_way(progress: Progress) -> None:
    @dataclass
    class Full(Place):
        def obtain(self, folder: Path, step: Step, tools: Path) -> None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder))

    build = Place("build")
    with pytest.raises(DiskFull, match="the disk is full"):
        install([part(Full("download"), build)], progress)
    assert "obtain" not in build.asked


def test_another_version_or_key_is_another_part(progress: Progress) -> None:
    install([part(Place("build"))], progress)
    assert plan(part(Place("build"), key="abc")).found is None


def test_a_place_that_cannot_be_reached_is_passed_over(progress: Progress) -> None:
    far, near = Place("download", reachable=False, lacks=("never asked for",)), Place("build")
    install([part(far, near)], progress)
    assert set(far.asked) == {"available"}
    assert "obtain" in near.asked


def test_a_failing_place_gives_way_to_the_next_and_says_so(progress: Progress, log: io.StringIO) -> None:
    install([part(Place("download", error="404"), Place("build"))], progress)
    assert (bin_folder() / "tool").read_text() == "built"
    assert "download: 404" in log.getvalue()
    assert "trying the next way: build" in log.getvalue()


def test_everything_the_machine_lacks_is_told_at_once_before_anything_starts(progress: Progress) -> None:
    fine = Place("build")
    with pytest.raises(ToolchainError) as caught:
        install(
            [
                part(fine),
                part(Place("a", lacks=("Go is needed",)), name="A"),
                part(Place("b", lacks=("apt",)), name="B"),
            ],
            progress,
            ["root is needed"],
        )
    for line in ("root is needed", "Go is needed", "apt"):
        assert f"  - {line}" in caught.value.why
    assert set(fine.asked) == {"available"}


def test_a_part_is_whole_or_not_there(progress: Progress) -> None:
    with pytest.raises(ToolchainError, match="no compiler"):
        install([part(Place("build", error="no compiler"))], progress)
    assert list((paths.cache() / "tools").iterdir()) == []


def test_a_source_that_gives_too_little_is_an_error(progress: Progress) -> None:
    with pytest.raises(ToolchainError, match="did not give missing-tool"):
        install([Part("Tool", "1.0", (Place("build"),), ("tool", "missing-tool"))], progress)


def test_what_was_had_before_a_failure_stays(progress: Progress) -> None:
    good, bad = part(Place("build"), name="Good"), part(Place("build", error="broken"), name="Bad", needs=())
    bad_after_good = Part("Bad", "1.0", bad.sources, ("tool",), needs=(good,))
    with pytest.raises(ToolchainError, match="broken"):
        install([good, bad_after_good], progress)
    assert plan(good).found is not None


def test_a_makeshift_gives_way_as_soon_as_the_real_one_can_be_had(progress: Progress) -> None:
    official, stand_in = Place("official", "official", reachable=False), Place("stand-in", "stand-in")
    makeshift = part(official, stand_in, provisional=True)
    install([makeshift], progress)
    install([makeshift], progress)
    assert stand_in.asked.count("obtain") == 1
    official.reachable = True
    install([makeshift], progress)
    assert (bin_folder() / "tool").read_text() == "official"


def test_a_plugin_goes_where_pulumi_keeps_plugins(progress: Progress) -> None:
    install([part(Place("build"), plugin="some")], progress)
    assert (paths.pulumi_home() / "plugins" / "resource-some-v1.0" / "tool").read_text() == "built"
    assert not (bin_folder() / "tool").exists()


def test_a_part_waits_for_the_one_it_needs(progress: Progress) -> None:
    order: list[str] = []
    ready = threading.Event()

    class Slow(Place):
        def obtain(self, folder: Path, step: Step, tools: Path) -> None:
            ready.wait(0.2)
            super().obtain(folder, step, tools)
            order.append("first")

    class After(Place):
        def obtain(self, folder: Path, step: Step, tools: Path) -> None:
            assert (tools / "tool").exists()
            super().obtain(folder, step, tools)
            order.append("second")

    first = part(Slow("build"), name="First")
    install([part(After("build"), name="Second", needs=(first,)), first], progress)
    assert order == ["first", "second"]


def test_independent_parts_are_had_side_by_side(progress: Progress) -> None:
    both = threading.Barrier(2, timeout=5)

    class Meeting(Place):
        def obtain(self, folder: Path, step: Step, tools: Path) -> None:
            both.wait()  # breaks, and fails the test, unless the other one runs at the same time
            super().obtain(folder, step, tools)

    install([part(Meeting("build"), name="A"), part(Meeting("build"), name="B")], progress)


def test_a_part_without_any_way_is_an_error(progress: Progress) -> None:
    with pytest.raises(ToolchainError, match="no way to get it on this system"):
        install([part(Place("download", reachable=False))], progress)
