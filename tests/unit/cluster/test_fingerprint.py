"""When a running component is what a start would make, and when it has to be restarted."""

import os
from pathlib import Path

from toolchain.cluster.components import Component


def component(program: Path, *flags: str, reads: tuple[Path, ...] = ()) -> Component:
    return Component("etcd", (str(program), *flags), "http://127.0.0.1:1/health", reads)


def test_another_checkouts_link_to_the_same_program_is_the_same(tmp_path: Path) -> None:
    program, link = tmp_path / "one", tmp_path / "two"
    program.write_text("program")
    os.link(program, link)
    assert component(program, "--a=1").fingerprint() == component(link, "--a=1").fingerprint()


def test_program_flags_and_configuration_count(tmp_path: Path) -> None:
    program, longer, settings = tmp_path / "one", tmp_path / "two", tmp_path / "settings"
    program.write_text("program")
    longer.write_text("program, newer")
    settings.write_text("a")
    seen = {
        component(program, "--a=1").fingerprint(),
        component(program, "--a=2").fingerprint(),
        component(longer, "--a=1").fingerprint(),
        component(program, "--a=1", reads=(settings,)).fingerprint(),
    }
    settings.write_text("b")
    seen.add(component(program, "--a=1", reads=(settings,)).fingerprint())
    assert len(seen) == 5
