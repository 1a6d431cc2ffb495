"""What is not pinned, found in the files that name dependencies, one function for each kind of file.

Each is given a file and tells what is wrong in it, a line each.
"""

import re
from pathlib import Path

# Files by which other package managers would be told what to get. None of them has a place here yet: whoever brings one
# says below how it is pinned.
UNKNOWN = re.compile(
    r"(^|/)(Pipfile|setup\.py|setup\.cfg|environment\.ya?ml|conda.*\.ya?ml|package\.json|Cargo\.toml|Gemfile|pom\.xml"
    r"|build\.gradle.*|constraints[^/]*\.txt|Chart\.lock)$"
)
# A requirement on a line of its own: its name, and a version or a range of them.
_REQUIREMENT = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._-]*(\[[^\]]*\])?\s*(===?|>=|<=|~=|!=|<|>)\s*[0-9]", re.MULTILINE)
_MODULE = re.compile(r"^(?:require |\t)(?P<path>[\w.-]+\.[\w-]+/\S+) (?P<version>v\S+)", re.MULTILINE)
_REPLACED = re.compile(r"^(?:replace |\t)(?P<old>\S+)(?: v\S+)? => (?P<new>\S+)(?: (?P<version>v\S+))?$", re.MULTILINE)
_INSTALL = re.compile(r"\bpip-install\b|\bpip3? install\b")
# What a model's own folder asks for: its author decides, and pip compares hashes where the file has any.
_MODELS_OWN = "pip-install -r source/requirements.txt"
_ACTION = re.compile(r"[\w-]+/[\w./-]+@[0-9a-f]{40} # v[\d.]+")
BASES = frozenset({"debian:bookworm-slim", "scratch"})


def looks_like_requirements(text: str) -> bool:
    """Whether a text is a list of requirements, whatever the file is called."""
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith(("#", "--hash"))]
    return bool(lines) and len(_REQUIREMENT.findall(text)) > len(lines) / 2


def project(text: str) -> list[str]:
    """Dependencies in a pyproject.toml: requirements files have them, with hashes."""
    return re.findall(
        r"^(?:optional-)?dependenc\w+.*|^\[(?:dependency-groups|project\.optional.*|.*\.dependencies)\]", text, re.M
    )


def go_module(file: Path) -> list[str]:
    """Modules that a go.mod requires and go.sum has no hash of."""
    text = file.read_text()
    sums = file.with_name("go.sum")
    known = sums.read_text() if sums.is_file() else ""
    replaced = {match["old"]: (match["new"], match["version"]) for match in _REPLACED.finditer(text)}
    found = []
    for match in _MODULE.finditer(text):
        path, version = replaced.get(match["path"], (match["path"], match["version"]))
        # A folder of this repository needs no hash.
        if not path.startswith("./") and not re.search(
            rf"^{re.escape(path)} {re.escape(version)}(/go\.mod)? h1:", known, re.M
        ):
            found.append(f"{path} {version}")
    return found


def image_build(text: str) -> list[str]:
    """Bases of a Dockerfile that are not known here, and packages of PyPI that it installs without hashes."""
    text = text.replace("\\\n", " ")
    stages = set(re.findall(r"^FROM .* AS (\S+)", text, re.MULTILINE))
    bases = re.findall(r"^FROM (?:--\S+ )*(\S+)", text, re.MULTILINE)
    found = [base for base in bases if base not in BASES | stages and "$" not in base]
    found += [base for base in bases if "$" in base and not _fits(base, stages)]
    for line in text.splitlines():
        installs = _INSTALL.search(line) and not line.lstrip().startswith(("#", "COPY", "exec "))
        if installs and "--require-hashes" not in line and _MODELS_OWN not in line:
            found.append(line.strip())
    return found


def _fits(base: str, stages: set[str]) -> bool:
    """Whether a stage whose name is put together from arguments is one of this file."""
    pattern = re.compile(re.sub(r"\\\$\\\{\w+\\\}", r"[a-z]+", re.escape(base)))
    return any(pattern.fullmatch(stage) for stage in stages)


def workflow(text: str) -> list[str]:
    """Actions and images of a workflow that are not named by a commit."""
    used = [entry for entry in re.findall(r"uses: *(.*)", text) if not _ACTION.fullmatch(entry)]
    return used + re.findall(r"^ *(?:container|image):.*", text, re.MULTILINE)
