"""The workflows of continuous integration: what a linter of their security and our own rules find."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


def read(name: str) -> dict[str, Any]:
    # YAML's boolean, which `on` is, has no place in a workflow.
    return yaml.load((ROOT / ".github" / "workflows" / name).read_text(), yaml.BaseLoader)


def test_zizmor_finds_nothing() -> None:
    done = subprocess.run(
        [Path(sys.executable).with_name("zizmor"), "--offline", "--no-progress", "--strict-collection", "."],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    assert "No findings to report" in done.stdout + done.stderr


def test_there_are_those_that_the_documentation_names() -> None:
    assert {file.name for file in WORKFLOWS} == {
        "preview.yml",
        "deploy.yml",
        "drift.yml",
        "test.yml",
        "dependencies.yml",
    }


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.name)
def test_actions_are_pinned_by_commit_and_nothing_may_be_written_unless_a_job_says_so(file: Path) -> None:
    text = file.read_text()
    used = re.findall(r"uses: (.*)", text)
    assert used
    assert all(re.fullmatch(r"[\w-]+/[\w./-]+@[0-9a-f]{40} # v[\d.]+", entry) for entry in used)
    workflow = read(file.name)
    assert workflow["permissions"] == {}
    assert "pull_request_target" not in workflow["on"]
    assert all("permissions" in job and "timeout-minutes" in job for job in workflow["jobs"].values())


def test_only_the_job_that_runs_none_of_a_pull_request_s_code_may_write() -> None:
    jobs = read("preview.yml")["jobs"]
    assert jobs["preview"]["permissions"] == {"contents": "read"}
    assert jobs["comment"]["permissions"] == {"pull-requests": "write"}
    assert [step.get("uses") for step in jobs["comment"]["steps"]] == [None]
    own = "github.event.pull_request.head.repo.full_name == github.repository"
    assert own in jobs["preview"]["if"]
    assert own in jobs["comment"]["if"]


def test_each_environment_is_deployed_in_its_turn_under_its_protection() -> None:
    jobs = read("deploy.yml")["jobs"]
    assert {name: job["environment"] for name, job in jobs.items()} == {"staging": "staging", "prod": "prod"}
    assert jobs["prod"]["needs"] == "staging"
    assert [job["steps"][-1]["run"] for job in jobs.values()] == ["make up STACK=staging", "make up STACK=prod"]
