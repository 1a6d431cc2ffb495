"""The workflows: linted, and their scripts run as GitHub runs them."""

import hashlib
import io
import json
import os
import subprocess
import tarfile
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.cluster import toolchain
from tests.support.workspace import ROOT
from toolchain import versions
from toolchain.parts.linters import actionlint

pytestmark = [pytest.mark.integration, pytest.mark.shared]

WORKFLOWS = ROOT / ".github" / "workflows"
# `gh api` as far as the workflow uses it, on comments in a file. The real jq filters where it is installed.
GH = r"""
import json, os, shutil, subprocess, sys
from pathlib import Path
store, arguments = Path(os.environ["STORE"]), sys.argv[2:]
comments = json.loads(store.read_text())
if "--jq" in arguments:
    assert arguments[:2] == ["--paginate", "repos/acme/models/issues/7/comments"], arguments
    filter = arguments[arguments.index("--jq") + 1]
    if shutil.which("jq"):
        subprocess.run(["jq", filter], input=store.read_text(), text=True, check=True)
    else:
        mine = [c for c in comments if c["user"]["login"] == "github-actions[bot]"]
        print(*[c["id"] for c in mine if c["body"].startswith(os.environ["MARKER"])], sep="\n")
    sys.exit()
method, path = arguments[arguments.index("--method") + 1:][:2]
body = Path(arguments[-1].removeprefix("body=@")).read_text()
if method == "POST":
    assert path == "repos/acme/models/issues/7/comments", path
    comments.append({"id": len(comments) + 1, "user": {"login": "github-actions[bot]"}, "body": body})
else:
    [comment] = [c for c in comments if path == f"repos/acme/models/issues/comments/{c['id']}"]
    comment["body"] = body
store.write_text(json.dumps(comments))
"""


def test_actionlint_finds_nothing() -> None:
    toolchain("install", "actionlint")
    found = actionlint().detect() or actionlint().in_cache()
    assert found is not None
    # Without -shellcheck= it would run another linter where there is one.
    files = [str(file) for file in sorted(WORKFLOWS.glob("*.yml"))]
    command = [str(found.executables["actionlint"]), "-no-color", "-shellcheck=", *files]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "")


def script(workflow: str, job: str, step: str) -> str:
    steps = yaml.safe_load((WORKFLOWS / workflow).read_text())["jobs"][job]["steps"]
    [found] = [entry["run"] for entry in steps if entry.get("name") == step]
    return found


def run(text: str, folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """A step as GitHub's runner starts it."""
    command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", text]
    return subprocess.run(command, cwd=folder, env={**os.environ, **variables}, capture_output=True, text=True)


def test_a_stack_s_comment_is_written_once_and_then_edited(tmp_path: Path) -> None:
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "gh").write_text(f"#!/usr/bin/env python3\n{GH}")
    (programs / "gh").chmod(0o755)
    store = tmp_path / "comments.json"
    marker = "<!-- model-serving preview of prod -->"
    somebody = {"id": 1, "user": {"login": "somebody"}, "body": f"{marker}\nnot mine"}
    store.write_text(json.dumps([somebody]))
    text = script("preview.yml", "comment", "Write the comment, or edit the one that is there")

    def say(body: str) -> list[dict[str, Any]]:
        path = f"{programs}{os.pathsep}{os.environ['PATH']}"
        variables = {"PATH": path, "STORE": str(store), "GITHUB_REPOSITORY": "acme/models", "NUMBER": "7"}
        done = run(text, tmp_path, **variables, BODY=body)
        assert done.returncode == 0, done.stderr
        return json.loads(store.read_text())

    # What is in a body is no shell's and no option's business.
    nasty = f"{marker}\n$(touch {tmp_path}/run) `id` \"' @file\n" + "x" * 60_000
    assert say("") == [somebody]
    assert [entry["body"] for entry in say(nasty)] == [somebody["body"], f"{nasty}\n"]
    other = "<!-- model-serving preview of staging -->\nhere"
    assert len(say(other)) == 3
    assert [entry["body"] for entry in say(f"{marker}\nagain")] == [
        somebody["body"],
        f"{marker}\nagain\n",
        f"{other}\n",
    ]
    assert not (tmp_path / "run").exists()


def test_the_comment_is_handed_on_also_when_the_preview_fails(tmp_path: Path) -> None:
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "make").write_text('#!/bin/sh\nprintf "first\\nprod<<x\\n" > "${2#OUTPUT=}"\nexit 3\n')
    (programs / "make").chmod(0o755)
    path = f"{programs}{os.pathsep}{os.environ['PATH']}"
    files = {"GITHUB_OUTPUT": str(tmp_path / "output"), "GITHUB_STEP_SUMMARY": str(tmp_path / "summary")}
    done = run(script("preview.yml", "preview", "Make the comment"), tmp_path, PATH=path, STACK="prod", **files)
    assert done.returncode == 3
    first, *lines = (tmp_path / "output").read_text().splitlines()
    assert first.startswith("prod<<")
    assert lines == ["first", "prod<<x", first.removeprefix("prod<<")]
    assert (tmp_path / "summary").read_text() == "first\nprod<<x\n"


@pytest.fixture
def releases(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """A place that Pulumi's releases come from: its address, and its folder."""
    folder = tmp_path / "releases"
    folder.mkdir()
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(SimpleHTTPRequestHandler, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", folder
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("right", [True, False])
def test_pulumi_is_installed_if_its_checksum_is_right(tmp_path: Path, releases: tuple[str, Path], right: bool) -> None:
    address, folder = releases
    name = f"pulumi-v{versions.PULUMI}-linux-x64.tar.gz"
    with tarfile.open(folder / name, "w:gz") as archive:
        member = tarfile.TarInfo("pulumi/pulumi")
        member.size = 4
        archive.addfile(member, io.BytesIO(b"true"))
    digest = hashlib.sha256((folder / name).read_bytes() if right else b"").hexdigest()
    (folder / f"pulumi-{versions.PULUMI}-checksums.txt").write_text(f"{digest}  {name}\n")
    runner = tmp_path / "runner"
    runner.mkdir()
    files = {"GITHUB_PATH": str(tmp_path / "path"), "GITHUB_ENV": str(tmp_path / "env"), "RUNNER_TEMP": str(runner)}
    done = run(str(ROOT / ".github" / "prepare"), ROOT, RELEASES=address, KUBECONFIG_CONTENT="kind: Config", **files)
    assert (done.returncode == 0) == right, done.stderr
    assert (runner / "pulumi" / "pulumi").exists() == right
    if right:
        assert (tmp_path / "path").read_text() == f"{runner}/pulumi\n"
        assert (tmp_path / "env").read_text() == f"KUBECONFIG={runner}/kubeconfig\n"
        assert (runner / "kubeconfig").read_text() == "kind: Config\n"
        assert (runner / "kubeconfig").stat().st_mode & 0o777 == 0o600
