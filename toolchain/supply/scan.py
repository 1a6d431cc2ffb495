"""The packages in an image, held against OSV's advisories by OSV-Scanner: Debian's and Python's."""

import contextlib
import json
import os
import subprocess
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, unquote

from toolchain import attestations, engine, local, network
from toolchain.errors import ToolchainError
from toolchain.parts.install import bin_folder
from toolchain.progress import Progress, err, out
from toolchain.stack import Stack
from toolchain.supply import exceptions
from toolchain.supply.audit import SERVICE

# Both have had advisories for years. A scan that does not find them is none: the scanner says "no issues" as well where
# a database is empty.
_KNOWN = ("pkg:pypi/pyyaml@5.3", "pkg:deb/debian/openssl@3.0.9-1?distro=debian-12")
_FOUND, _NOTHING = 1, 0


@dataclass(frozen=True, order=True)
class Finding:
    """Advisories that are one, on a package of an image, and the versions that have it fixed."""

    package: str
    version: str
    ids: tuple[str, ...]
    severity: str
    fixed: tuple[str, ...]

    def __str__(self) -> str:
        severity = f", severity {self.severity}" if self.severity else ""
        fixed = f"fixed in {', '.join(self.fixed)}" if self.fixed else "no version has it fixed"
        return f"{self.package} {self.version}: {', '.join(self.ids)}{severity}, {fixed}"


def scan(stack: Stack, model: str | None, database: Path | None) -> int:
    """Scan the image of a model, or of every model of the stack, and print what is found.

    What is listed is the SBOM that is attached to the image, verified where the stack has a key for that, or else one
    that is made now. Returns 1 if a finding has a version that is fixed: one without is only told.
    Raises ToolchainError where the stack has no such model, or where it cannot be scanned.
    """
    _programs(stack)
    if model:
        models = {model: engine.deployed_model(stack, model, f"sbom of {model}")}
    else:
        models = engine.deployed_models(stack)
    if not models:
        raise ToolchainError("scan", f"stack {stack.name} has deployed no model", f"First: make up STACK={stack.name}")
    actionable = 0
    for name, deployed in sorted(models.items()):
        image = str(deployed["image"])
        listed = attestations.attached_to("sbom", stack, image, f"sbom of {name}")
        how = "the SBOM attached to it" if listed else "an SBOM made now"
        out.print(f"{name}: {image}, by {how}", markup=False)
        for document in listed or [attestations.make_sbom(image, stack)]:
            actionable += tell(document, database)
    return 1 if actionable else 0


def scan_file(sbom: Path, database: Path | None) -> int:
    """Scan what an SBOM in CycloneDX's JSON format lists, as `scan` does."""
    _programs(None)
    try:
        document = json.loads(sbom.read_text())
    except (OSError, ValueError) as error:
        raise ToolchainError(f"read {sbom}", str(error), "Give an SBOM in CycloneDX's JSON format.") from None
    return 1 if tell(document, database) else 0


def tell(document: Mapping[str, Any], database: Path | None) -> int:
    """Print what is known of the packages in an SBOM. Returns the number of findings that have a fix."""
    packages = sorted(set(purls(document)))
    if not packages:
        raise ToolchainError("scan", "the SBOM lists no package", "Is it one in CycloneDX's JSON format?")
    found = sorted(findings(packages, database))
    fixed = [finding for finding in found if finding.fixed]
    for finding in fixed:
        out.print(str(finding), markup=False)
    waiting = [finding for finding in found if not finding.fixed]
    for finding in waiting:
        out.print(f"(no fix yet) {finding}", markup=False)
    out.print(f"{len(packages)} packages: {len(fixed)} findings, {len(waiting)} more without a fix", markup=False)
    return len(fixed)


def purls(document: Mapping[str, Any]) -> Iterator[str]:
    """The packages that an SBOM lists, as package URLs. Debian's are named by their sources, as its advisories are."""
    for component in document.get("components") or ():
        if purl := component.get("purl"):
            yield _by_source(purl)
        yield from purls(component)


def _by_source(purl: str) -> str:
    named, _, qualifiers = purl.partition("?")
    if not named.startswith("pkg:deb/"):
        return purl
    kind, _, package = named.rpartition("/")
    binary, _, of_binary = unquote(package).partition("@")
    given = parse_qs(qualifiers)
    # The source's own version is there only where it is another.
    source, _, of_source = given.get("upstream", [binary])[0].partition("@")
    distribution = given.get("distro", [""])[0]
    return f"{kind}/{quote(source)}@{quote(of_source or of_binary, safe=':')}?distro={quote(distribution)}"


def findings(packages: Iterable[str], database: Path | None) -> Iterator[Finding]:
    """What OSV-Scanner knows of packages (package URLs). Raises ToolchainError where it cannot say."""
    with tempfile.TemporaryDirectory() as folder:
        file, none = Path(folder) / "image.cdx.json", Path(folder) / "osv-scanner.toml"
        none.touch()
        file.write_text(json.dumps(_document(_KNOWN)))
        known = {entry["package"]["ecosystem"].partition(":")[0] for entry in _osv_scanner(file, database, none)}
        if missing := {"PyPI", "Debian"} - known:
            raise _failure(f"it finds nothing in an old package of {', '.join(sorted(missing))} that has advisories")
        exceptions.load()  # which is stricter than the scanner about them
        file.write_text(json.dumps(_document(packages)))
        found = _osv_scanner(file, database, exceptions.FILE)
    for entry in found:
        yield from _of(entry)


def _of(entry: Mapping[str, Any]) -> Iterator[Finding]:
    package = entry["package"]
    advisories = {advisory["id"]: advisory for advisory in entry.get("vulnerabilities", ())}
    for group in entry.get("groups", ()):
        fixed = {
            event["fixed"]
            for id in group["ids"]
            for affected in advisories[id].get("affected", ())
            if affected.get("package", {}).get("name") == package["name"]
            and affected["package"]["ecosystem"] == package["ecosystem"]
            for span in affected.get("ranges", ())
            if span["type"] == "ECOSYSTEM"
            for event in span["events"]
            if "fixed" in event
        }
        ids = dict.fromkeys([*group["ids"], *group.get("aliases", ())])
        severity = group.get("max_severity", "")
        yield Finding(package["name"], package["version"], tuple(ids), severity, tuple(sorted(fixed)))


def _document(packages: Iterable[str]) -> dict[str, Any]:
    """An SBOM of packages, with what OSV-Scanner reads of it."""
    components = [
        {
            "type": "library",
            "name": purl.partition("@")[0].rpartition("/")[2],
            "version": unquote(purl.partition("@")[2].partition("?")[0]),
            "purl": purl,
        }
        for purl in packages
    ]
    return {"bomFormat": "CycloneDX", "specVersion": "1.6", "version": 1, "components": components}


def _osv_scanner(file: Path, database: Path | None, exempt: Path) -> list[dict[str, Any]]:
    """What OSV-Scanner says of each package of an SBOM that it has advisories on, but those of the file ``exempt``."""
    source = ["--offline", f"--local-db-path={database.absolute()}"] if database else ["--no-resolve"]
    if database is None and not network.reachable(SERVICE):
        raise _failure(f"{SERVICE} cannot be reached")
    command = ["osv-scanner", "scan", "source", f"--config={exempt}", "--format=json", *source, f"--lockfile={file}"]
    done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if done.returncode in (_FOUND, _NOTHING):
        with contextlib.suppress(ValueError, KeyError):
            return [entry for result in json.loads(done.stdout)["results"] for entry in result["packages"]]
    said = done.stderr.strip().splitlines() or [f"it ended with {done.returncode}"]
    raise _failure(said[-1])


def _failure(why: str) -> ToolchainError:
    return ToolchainError(
        "scan",
        f"OSV-Scanner: {why}",
        "Nothing was scanned. Check the network and HTTPS_PROXY, or give a folder with OSV's databases: "
        "make scan DATABASE=folder (docs/dependencies.md).",
    )


def _programs(stack: Stack | None) -> None:
    """Have the scanner, and what reads or makes an SBOM of the stack's images, on this process's PATH."""
    wanted = ["osv-scanner", *(["syft", "oras"] if stack else [])]
    if stack and isinstance(stack.settings.get("imageSigning"), dict):
        wanted.append("cosign")
    local.install_addons(wanted, Progress(err))
    os.environ["PATH"] = os.pathsep.join([str(bin_folder()), os.environ.get("PATH", "")])
