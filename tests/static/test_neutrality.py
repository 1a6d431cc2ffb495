"""What is deployed does not know how the machine was prepared, nor which Kubernetes plugin runs."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
AROUND = re.compile(r"(toolchain|tests|docs|bench|\.ci|\.github)/|Makefile$|README\.md$|pyproject\.toml$")
NAMED = re.compile(r"stand[-_ ]?in\b|kubernetes[-_ ]plugin|pulumi-resource-kubernetes|\btoolchain\b", re.IGNORECASE)
PIP = "    toolchain: pip\n"  # Pulumi's own setting: what installs the program's requirements


def product_files() -> list[str]:
    """Everything in the repository but what is around the product: the commands, the tests, the words about it."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.splitlines()
    return sorted(name for name in listed if not AROUND.match(name) and (ROOT / name).is_file())


def mentions(text: str) -> list[str]:
    """The words in a text that name the stand-in or the toolchain."""
    return [found[0] for found in NAMED.finditer(text.replace(PIP, ""))]


def test_the_product_is_found() -> None:
    assert {"__main__.py", "Pulumi.yaml", "components/cluster.py", "model/server/app.py"} <= set(product_files())


def test_no_file_of_the_product_knows() -> None:
    found = {name: mentions((ROOT / name).read_text(errors="replace")) for name in product_files()}
    assert {name: words for name, words in found.items() if words} == {}


@pytest.mark.parametrize(
    "text",
    ["# with the stand-in", "our Stand_In", "from toolchain import paths", "toolchain: pip", "the Kubernetes plugin"],
)
def test_a_mention_is_found(text: str) -> None:
    assert mentions(text)
