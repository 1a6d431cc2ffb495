"""The local registry's images of monitoring: the ones that a stack asks for, and what is in them."""

import hashlib
import io
import json
import tarfile
from pathlib import Path

import pytest

from components.planning.monitoring_stack import DASHBOARDS_SIDECAR, DCGM_EXPORTER, GRAFANA
from components.planning.monitoring_stack import IMAGES as ASKED_FOR
from toolchain import network, versions
from toolchain.errors import ToolchainError
from toolchain.parts import monitoring
from toolchain.parts.debian_archive import RUNTIME, DebianArchive
from toolchain.parts.model import Found
from toolchain.progress import Step
from toolchain.services import monitoring_images, oci

# Nothing of these can be made here.
ELSEWHERE = {GRAFANA, DASHBOARDS_SIDECAR, DCGM_EXPORTER}


def test_they_are_those_that_a_stack_asks_a_mirror_for() -> None:
    served = {f"{image.registry}/{image.repository}:{image.tag}" for image in monitoring_images.IMAGES}
    asked = {image.reference(None) for name, image in ASKED_FOR.items() if name not in ELSEWHERE}
    reloader = f"quay.io/prometheus-operator/prometheus-config-reloader:v{versions.PROMETHEUS_OPERATOR}"
    assert served == asked | {reloader}


def test_an_image_is_the_program_and_what_it_needs(tmp_path: Path) -> None:
    part, folder = tmp_path / "part", tmp_path / "image"
    part.mkdir()
    folder.mkdir()
    image = monitoring_images.IMAGES[1]
    for name in (image.program, "promtool"):
        (part / name).write_bytes(b"program")
    with tarfile.open(part / RUNTIME, "w") as tar:
        library = tarfile.TarInfo("usr/lib/libc.so.6")
        library.size = 3
        tar.addfile(library, io.BytesIO(b"lib"))
    monitoring_images._write(image, part, folder)
    with tarfile.open(folder / "layer.tar.gz") as layer:
        assert layer.getnames() == ["usr/lib/libc.so.6", f"bin/{image.program}", "bin/promtool"]
        assert layer.getmember(f"bin/{image.program}").mode == 0o755
    config = json.loads((folder / "config.json").read_text())
    assert config["config"] == {"Entrypoint": [f"/bin/{image.program}"], "User": "65534:65534"}
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["config"]["digest"] == f"sha256:{hashlib.sha256((folder / 'config.json').read_bytes()).hexdigest()}"
    assert list(manifest["annotations"].values()) == [f"{part} promtool"]


@pytest.mark.parametrize(
    ("there", "pushed"),
    [
        (None, True),  # no such image
        ({monitoring_images._MADE_OF: "/tools/of-another-pin"}, True),
        ({monitoring_images._MADE_OF: "/tools/this"}, False),
        ({}, False),  # the project's own
    ],
)
def test_an_image_is_pushed_when_it_is_not_this_one(
    there: dict[str, str] | None, pushed: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    seen: list[str] = []
    monkeypatch.setattr(network, "reachable", lambda url: False)
    monkeypatch.setattr(oci, "annotations", lambda host, repository, tag: there)
    monkeypatch.setattr("toolchain.parts.model.Part.in_cache", lambda part: Found("1", "/tools/this"))
    monkeypatch.setattr(monitoring_images, "_push", lambda image, where, host: seen.append(image.repository))
    monkeypatch.setattr(monitoring_images, "IMAGES", (monitoring_images.RELOADER,))
    monitoring_images.serve("localhost:5001", tmp_path)
    assert bool(seen) == pushed


def test_another_version_in_the_archive_is_not_taken_for_the_pinned_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    [archive] = [source for source in monitoring.prometheus().sources if isinstance(source, DebianArchive)]
    monkeypatch.setattr("toolchain.shell.run", lambda *arguments, **options: None)
    monkeypatch.setattr("toolchain.shell.output", lambda *arguments, **options: "2.99.0+ds-1")
    with pytest.raises(ToolchainError, match=r"2\.99\.0.*2\.53\.3 is pinned"):
        archive.obtain(tmp_path, Step("prometheus"), tmp_path)
