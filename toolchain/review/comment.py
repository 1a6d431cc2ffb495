"""The comment itself: what costs something or cannot be taken back comes first."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from toolchain.review.images import builds, image_changes, shortened
from toolchain.review.markdown import LIMIT, Section, block, cell, code, fitted
from toolchain.review.preview import Change, Preview, Violation
from toolchain.review.values import told

_VERBS = {"replace": "replaced", "delete": "deleted", "create": "created", "update": "updated", "import": "imported"}
# Deletions and replacements before all else, in every list.
_ORDER = ("delete", "replace", "create", "update", "import")
_MOST_PATHS, _MOST_FILES = 12, 30

_LOST = {
    "Deployment": "its pods go, and nobody answers for them",
    "Service": "its address answers nobody from then on",
    "Namespace": "with everything in it",
    "PersistentVolumeClaim": "with what is stored in it",
}
# Why a property cannot be changed in place: of these kinds, or of any.
_FIXED = {
    ("ConfigMap", "data"): "it is immutable; pods take the new one in a rolling update",
    ("Secret", "data"): "it is immutable; pods take the new one in a rolling update",
    ("Namespace", "metadata.name"): "a namespace cannot be renamed, and everything in it moves with it",
    ("", "metadata.namespace"): "no object can move to another namespace",
    ("", "metadata.name"): "no object can be renamed",
    ("", "spec.selector"): "a selector is for life",
}


def marker(stack: str) -> str:
    """The first line of a stack's comment, unseen, by which the next preview finds it."""
    return f"<!-- model-serving preview of {re.sub(r'[^A-Za-z0-9_.]', '-', stack)} -->"


def comment(
    preview: Preview,
    stack: str,
    *,
    files: Mapping[str, Sequence[str]] | None = None,
    warnings: Sequence[str] = (),
    limit: int = LIMIT,
) -> str:
    """The whole comment, as Markdown of at most ``limit`` bytes.

    ``files`` are the changed files of each model's image, None where nobody knows; ``warnings`` are what the preview
    could not see.
    """
    sections = [
        Section(f"{marker(stack)}\n## Preview of stack {code(stack)}: {_verdict(preview)}"),
        _warnings(preview, warnings),
        _errors(preview),
        _policies(preview),
        _losses(preview),
        _images(preview, files),
        _capacity(preview),
        *_details(preview),
        Section(f"<sub>Made by {code(f'make comment STACK={stack}')} and edited in place.</sub>"),
    ]
    kept = [section for section in sections if section is not None]
    return fitted(kept, f"see {code(f'make preview STACK={stack}')}", limit) + "\n"


def _verdict(preview: Preview) -> str:
    if preview.failed:
        return "it fails"
    counted = Counter(change.operation for change in preview.changes)
    words = [f"{counted[operation]} {_VERBS[operation]}" for operation in _ORDER if counted[operation]]
    stopped = ", stopped by policies" if _mandatory(preview) else ""
    return (", ".join(words) or "no changes") + stopped


def _mandatory(preview: Preview) -> list[Violation]:
    return [violation for violation in preview.violations if violation.level == "mandatory"]


def _warnings(preview: Preview, warnings: Sequence[str]) -> Section | None:
    said = [*warnings, *(message.text for message in preview.messages if message.severity == "warning")]
    if not preview.complete:
        said.append(
            "this form of preview tells nothing of capacity and policies; "
            "PULUMI_ENABLE_STREAMING_JSON_PREVIEW=true does"
        )
    return Section("### Warnings\n", [f"- {code(text)}" for text in dict.fromkeys(said)]) if said else None


def _errors(preview: Preview) -> Section | None:
    said = [message.text for message in preview.messages if message.severity == "error"]
    if _mandatory(preview):
        # The engine's last word, where the policies have said why.
        said = [text for text in said if text != "preview failed"]
    if not said and preview.failed:
        said = ["The preview ended before it had a plan."]
    return Section("### Errors\n", [block(text) for text in said]) if said else None


def _policies(preview: Preview) -> Section | None:
    if not preview.complete:
        return None
    unknown = [v for v in preview.violations if v.message.startswith("can't run policy")]
    broken = [v for v in preview.violations if v not in unknown]
    if not preview.violations:
        return None if preview.failed else Section("### Policies\n", ["All are kept."])
    body = [
        f"- {'❌' if violation.level == 'mandatory' else '⚠️'} **{violation.level}** {code(violation.rule)}: "
        f"{code(violation.message)}"
        for violation in sorted(dict.fromkeys(broken), key=lambda violation: violation.level != "mandatory")
    ]
    if unknown:
        rules = ", ".join(code(rule) for rule in sorted({violation.rule for violation in unknown}))
        body.append(f"- Checked by the update, because a value is not known before: {rules}")
    return Section("### Policies\n", body)


def _losses(preview: Preview) -> Section | None:
    lost = [change for change in _ordered(preview.changes) if change.operation in ("delete", "replace")]
    return Section("### Deleted and replaced\n", [_loss(change) for change in lost]) if lost else None


def _loss(change: Change) -> str:
    what = f"{change.kind} {code(change.name)}" + (f" of {code(change.model)}" if change.model else "")
    if change.operation == "delete":
        effect = _LOST.get(change.kind)
        return f"- **deleted**: {what}" + (f" ({effect})" if effect else "")
    forced = ", ".join(code(path) for path in change.forcing[:_MOST_PATHS]) or "its provider"
    reasons = [
        reason
        for (kind, start), reason in _FIXED.items()
        if kind in ("", change.kind) and any(path.startswith(start) for path in change.forcing)
    ]
    why = f": {reasons[0]}" if reasons else ""
    order = "the old one goes first" if change.deleted_first else "the new one is there before the old one goes"
    return f"- **replaced**: {what}, forced by {forced}{why} ({order})"


def _images(preview: Preview, files: Mapping[str, Sequence[str]] | None) -> Section | None:
    changed = image_changes(preview)
    body = [f"- {code(change.model or change.name)}: {_build(change, files)}" for change in builds(preview)]
    if changed:
        body += ["", "| model | what runs it | before | after |", "|---|---|---|---|"]
    for image in changed:
        values = (image.model, image.where, shortened(image.old), shortened(image.new))
        body.append(f"| {' | '.join(cell(value) for value in values)} |")
    return Section("### Images\n", body) if body else None


def _build(change: Change, files: Mapping[str, Sequence[str]] | None) -> str:
    known = files.get(change.model or "") if files is not None else None
    if change.operation == "create":
        return "will be built, for the first time in this stack"
    if known:
        more = f" and {len(known) - _MOST_FILES} more" if len(known) > _MOST_FILES else ""
        return f"will be built: {', '.join(code(file) for file in known[:_MOST_FILES])}{more}"
    differing = ", ".join(code(path) for path in change.paths[:_MOST_PATHS])
    why = "no changed file of it was found" if known is not None else "its changed files are not known"
    return f"will be built: {why}" + (f", what differs is {differing}" if differing else "")


def _capacity(preview: Preview) -> Section | None:
    before, after = preview.before.get("capacity") or {}, preview.after.get("capacity") or {}
    if not after or before == after:
        return None
    rows = [
        *_amounts("all", before.get("total"), after.get("total")),
        *(row for part in ("models", "pools") for row in _of_each(part, before, after)),
    ]
    body = ["| | | before | after |", "|---|---|---|---|", *rows]
    prices = after.get("prices") or {}
    if prices:
        body += ["", f"Prices in {code(str(prices.get('currency')))} of {code(str(prices.get('date')))}."]
        if unpriced := prices.get("unpriced"):
            body.append(f"Without a price: {', '.join(code(str(name)) for name in unpriced)}.")
    return Section("### Capacity and cost\n", body)


def _of_each(part: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    old, new = before.get(part) or {}, after.get(part) or {}
    label = "" if part == "models" else "pool "
    return [row for name in dict.fromkeys([*old, *new]) for row in _amounts(label + name, old.get(name), new.get(name))]


def _amounts(what: str, before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> list[str]:
    old, new = before or {}, after or {}
    return [
        f"| {cell(what)} | {amount} | {_number(old.get(amount))} | {_number(new.get(amount))} |"
        for amount in ("replicas", "gpus", "cpu", "memoryGiB", "nodes", "costPerHour")
        if old.get(amount) != new.get(amount)
    ]


def _number(value: Any) -> str:
    if isinstance(value, Mapping):
        return f"{_number(value.get('min'))} to {_number(value.get('max'))}"
    if value is None:
        return "-"
    return str(value) if isinstance(value, (int, float)) else cell(str(value))


def _details(preview: Preview) -> list[Section]:
    """Every change, a folded part for each model and one for what the stack has once."""
    groups: dict[str | None, list[Change]] = {}
    for change in _ordered(preview.changes):
        groups.setdefault(change.model, []).append(change)
    return [
        Section(
            f"<details><summary>{_title(model)}: {len(changes)} {'object' if len(changes) == 1 else 'objects'}"
            "</summary>\n",
            [line for change in changes for line in _lines(change)],
            "\n</details>",
        )
        for model, changes in sorted(groups.items(), key=lambda group: (group[0] is None, group[0] or ""))
    ]


def _title(model: str | None) -> str:
    # A summary is HTML, where backticks are not code; models are named as in Kubernetes.
    return f"Model <code>{re.sub(r'[^A-Za-z0-9_.-]', '?', model)}</code>" if model else "The stack"


def _ordered(changes: Sequence[Change]) -> list[Change]:
    return sorted(changes, key=lambda change: (_ORDER.index(change.operation), change.urn))


def _lines(change: Change) -> list[str]:
    lines = [f"- {_VERBS[change.operation]}: {change.kind} {code(change.name)}"]
    if change.operation in ("update", "replace", "import"):
        lines += [f"  - {code(path)}{_values(change, path)}" for path in change.paths[:_MOST_PATHS]]
        if len(change.paths) > _MOST_PATHS:
            lines.append(f"  - and {len(change.paths) - _MOST_PATHS} more properties")
    return lines


def _values(change: Change, path: str) -> str:
    values = told(change, path)
    return f": {_shown(values[0])} → {_shown(values[1])}" if values else ""


def _shown(value: str | None) -> str:
    return "none" if value is None else code(value)
