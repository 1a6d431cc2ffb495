"""The comment on a pull request, from previews that the real engine made (record.py)."""

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from tests.unit.review.record import EXPECTED, FILES, MARKDOWN, NEXT_TOKEN, RECORDED, STACK, TOKEN
from toolchain.errors import ToolchainError
from toolchain.review.command import titled
from toolchain.review.comment import comment, marker
from toolchain.review.markdown import LIMIT
from toolchain.review.preview import Change, Message, Preview, Violation, read
from toolchain.stack import Stack

RECORDINGS = sorted(RECORDED.glob("*.jsonl"))
RENDERER = MarkdownIt("commonmark").enable("table")


def recording(name: str) -> Preview:
    return read((RECORDED / f"{name}.jsonl").read_text())


def section(text: str, title: str) -> str:
    """The part of a comment below a heading."""
    assert f"### {title}\n" in text
    return re.split(r"\n(?:###|<details>|<sub>)", text.split(f"### {title}\n", 1)[1])[0]


@pytest.mark.parametrize("file", RECORDINGS, ids=lambda file: file.stem)
def test_the_comment_is_the_one_that_was_read(file: Path) -> None:
    assert comment(read(file.read_text()), STACK, files=FILES) == (EXPECTED / f"{file.stem}.md").read_text()


def test_every_recording_has_its_comment() -> None:
    assert len(RECORDINGS) >= 9
    assert {file.stem for file in RECORDINGS} == {file.stem for file in EXPECTED.glob("*.md")}


@pytest.mark.parametrize("file", RECORDINGS, ids=lambda file: file.stem)
def test_no_secret_and_nothing_of_a_secret_s_place_is_told(file: Path) -> None:
    text = comment(read(file.read_text()), STACK, files=FILES)
    for value in (TOKEN, NEXT_TOKEN):
        assert value not in file.read_text()
        assert value not in text


def test_a_secret_that_the_engine_did_not_hide_is_not_told_either() -> None:
    """What is in ConfigMaps, Secrets, variables and arguments is never repeated, whatever the engine calls it."""
    text = (RECORDED / "removed-and-replaced.jsonl").read_text()
    assert text.count("[secret]") >= 2
    shown = text.replace("[secret]", TOKEN).replace('"vision"', f'"{TOKEN}"')
    assert TOKEN not in comment(read(shown), STACK, files=FILES)

    container = {"name": "server", "image": "a@sha256:" + "0" * 64, "env": [{"name": "A", "value": TOKEN}]}
    old = {"spec": {"template": {"spec": {"containers": [container | {"args": [TOKEN]}]}}}}
    change = Change(
        urn="urn::x::y::digits-server",
        operation="update",
        type="kubernetes:apps/v1:Deployment",
        model="digits",
        old=old,
        new={},
        paths=(
            "spec.template.spec.containers[0].env[0].value",
            "spec.template.spec.containers[0].args[0]",
            'metadata.annotations["note"]',
        ),
    )
    told = comment(Preview(changes=(change,)), STACK)
    assert "env[0].value" in told
    assert TOKEN not in told


def test_deletions_and_replacements_come_first_with_what_forces_them() -> None:
    text = comment(recording("removed-and-replaced"), STACK, files=FILES)
    assert text.index("### Deleted and replaced") < text.index("### Images") < text.index("<details>")
    lost = section(text, "Deleted and replaced")
    assert "**deleted**: Deployment `iris-server` of `iris` (its pods go" in lost
    assert "ConfigMap `digits-settings` of `digits`, forced by `data.LOG_LEVEL`: it is immutable" in lost
    assert "forced by `data.apiToken`" in lost
    kinds = re.findall(r"\*\*(deleted|replaced)\*\*", lost)
    assert kinds == ["deleted"] * 5 + ["replaced"] * 2


def test_what_goes_before_its_successor_is_there_is_said() -> None:
    preview = recording("removed-and-replaced")
    reversed_order = tuple(replace(change, deleted_first=True) for change in preview.changes)
    assert "the old one goes first" in comment(replace(preview, changes=reversed_order), STACK)
    assert "the old one goes first" not in comment(preview, STACK)


def test_digests_go_from_old_to_new_and_a_build_names_its_files() -> None:
    promoted = section(comment(recording("promoted-and-scaled"), STACK), "Images")
    assert "models/iris@sha256:15328493822a` | `localhost:5001/models/iris@sha256:e60dae58c7b4`" in promoted

    preview = recording("code")
    assert "`digits`: will be built: `model/digits/train.py`" in comment(preview, STACK, files=FILES)
    unknown = comment(preview, STACK)
    assert "its changed files are not known, what differs is `contextHash`" in unknown
    assert "no changed file of it was found" in comment(preview, STACK, files={"digits": []})
    many = [f"model/digits/{number}.py" for number in range(40)]
    assert "`model/digits/29.py` and 10 more" in comment(preview, STACK, files={"digits": many})


def test_a_finished_model_goes_from_digest_to_digest() -> None:
    old, new = ({"buildArgs": {"ARTIFACT": f"oci://models.example.com/digits@sha256:{digit * 64}"}} for digit in "ab")
    change = Change(
        urn="urn::x::y::digits-build",
        operation="update",
        type="docker-build:index:Image",
        model="digits",
        old=old,
        new=new,
        paths=("buildArgs.ARTIFACT",),
    )
    told = section(comment(Preview(changes=(change,)), STACK), "Images")
    where = "oci://models.example.com/digits@sha256:"
    assert f"| `digits` | `finished model` | `{where}{'a' * 12}` | `{where}{'b' * 12}` |" in told


def test_capacity_and_cost_are_told_as_they_change() -> None:
    preview = recording("promoted-and-scaled")
    told = section(comment(preview, STACK), "Capacity and cost")
    assert "| `digits` | replicas | 1 | 2 |" in told
    assert "| `iris`" not in told
    assert "Prices in `USD` of `2026-11-01`." in told
    assert "Capacity" not in comment(recording("code"), STACK)

    def priced(cost: Any) -> dict[str, Any]:
        return {"capacity": {"total": {"costPerHour": cost}, "pools": {"l4": {"nodes": 1, "costPerHour": cost}}}}

    text = comment(replace(preview, before=priced(0.8), after=priced({"min": 0.8, "max": 3.2})), STACK)
    assert "| `all` | costPerHour | 0.8 | 0.8 to 3.2 |" in text
    assert "| `pool l4` | costPerHour | 0.8 | 0.8 to 3.2 |" in text


def test_policies_say_what_stops_what_is_advice_and_what_is_not_known_yet() -> None:
    text = comment(recording("against-policies"), STACK)
    assert "stopped by policies" in text.splitlines()[1]
    policies = section(text, "Policies")
    assert policies.index("**mandatory** `image-from-allowed-registry`") < policies.index("**advisory** `available`")
    assert "push the image to an allowed registry" in policies
    assert "Checked by the update, because a value is not known before: `image-by-digest`" in comment(
        recording("first"), STACK
    )
    assert section(comment(recording("unchanged"), STACK), "Policies").strip() == "All are kept."


def test_mistakes_are_shown_and_no_plan_is_invented() -> None:
    text = comment(recording("mistakes"), STACK)
    assert text.splitlines()[1].endswith("it fails")
    assert "model-serving:models.digits.nodePool: there is no node pool" in section(text, "Errors")
    assert "Policies" not in text
    cut_off = comment(read('{"sequence": 1, "cancelEvent": {}}'), STACK)
    assert "The preview ended before it had a plan." in cut_off


def test_what_is_imported_is_told_with_what_changes_of_it() -> None:
    """The engine imports a Service and updates it in one go: two events, and one entry."""
    lines = []
    for line in (RECORDED / "code.jsonl").read_text().splitlines():
        event = json.loads(line)
        step = event.get("resourcePreEvent", {}).get("metadata", {})
        if step.get("urn", "").endswith("Service::digits-service"):
            diff = {"spec.selector.app": {"diffKind": "delete"}, "spec.ports[0].targetPort": {"diffKind": "update"}}
            live = {**step["old"]["inputs"], "spec": {"selector": {"app": "old"}, "ports": [{"targetPort": 8501}]}}
            step["old"]["inputs"] = live
            lines.append(json.dumps({"resourcePreEvent": {"metadata": {**step, "op": "import"}}}))
            step.update(op="update", detailedDiff=diff)
        lines.append(json.dumps(event))
    text = comment(read("\n".join(lines)), STACK, files=FILES)
    assert "1 imported" in text
    assert (
        "- imported: Service `digits-service`\n"
        "  - `spec.selector.app`: `old` → none\n"
        "  - `spec.ports[0].targetPort`: `8501` → `http`" in text
    )


def test_a_renamed_model_is_called_as_in_the_stack_file() -> None:
    models = {"numbers": {"renamedFrom": "digits"}, "iris": {}}
    stack = Stack("dev", "shop", Path("/nowhere"), {"cluster": "local", "models": models}, None)
    found = titled(recording("code"), stack)
    assert {change.model for change in found.changes} == {"numbers"}
    assert {change.model for change in recording("code").changes} == {"digits"}


def test_what_the_preview_could_not_see_is_a_warning() -> None:
    text = comment(recording("unreachable"), STACK, warnings=["cluster not reached: this preview saw no live state"])
    assert "- `cluster not reached: this preview saw no live state`" in section(text, "Warnings")
    assert text.index("### Warnings") < text.index("### Policies")


def test_the_document_at_the_end_will_do_and_says_what_it_lacks() -> None:
    """`pulumi preview --json` as it is without the variable."""
    image = "registry.example.com/models/iris@sha256:"
    step = {
        "op": "update",
        "urn": "urn:pulumi:a::b::model-serving:stack:ModelStack$model-serving:model:ServedModel"
        "$model-serving:model:ModelDeployment$kubernetes:apps/v1:Deployment::iris-server",
        "oldState": _deployment(image + "1" * 64),
        "newState": _deployment(image + "2" * 64),
        "detailedDiff": {"spec.template.spec.containers[0].image": {"kind": "update", "inputDiff": True}},
    }
    document = {
        "steps": [step],
        "changeSummary": {"update": 1},
        "diagnostics": [{"severity": "warning", "message": "w"}],
    }
    text = comment(read(json.dumps(document, indent=2)), STACK)
    assert text.splitlines()[1].endswith("1 updated")
    assert "@sha256:111111111111` | `registry.example.com/models/iris@sha256:222222222222`" in text
    assert "tells nothing of capacity and policies" in section(text, "Warnings")
    assert "### Policies" not in text


def _deployment(image: str) -> dict[str, Any]:
    pod = {"containers": [{"name": "server", "image": image}]}
    return {"type": "kubernetes:apps/v1:Deployment", "inputs": {"spec": {"template": {"spec": pod}}}}


def test_of_docker_containers_are_told_by_model_with_their_images() -> None:
    """A stack with `cluster: docker`, in the engine's own form."""
    stack = "urn:pulumi:laptop::model-serving::"
    service = "model-serving:docker:DockerStack$model-serving:docker:DockerService"
    old, new = (f"registry.example.com/digits@sha256:{digit * 64}" for digit in "ab")
    steps = [
        {
            "op": "update",
            "urn": f"{stack}{service}$docker:index/container:Container::digits-1",
            "oldState": {
                "type": "docker:index/container:Container",
                "parent": f"{stack}{service}::digits",
                "inputs": {"name": "laptop-digits-1", "image": old},
            },
            "newState": {
                "type": "docker:index/container:Container",
                "parent": f"{stack}{service}::digits",
                "inputs": {"name": "laptop-digits-1", "image": new},
            },
        }
    ]
    text = comment(read(json.dumps({"steps": steps, "changeSummary": {"update": 1}}, indent=2)), "laptop", files=None)
    assert "Model <code>digits</code>: 1 object" in text
    assert f"| `{old[:-52]}` | `{new[:-52]}` |" in text


@pytest.mark.parametrize("text", ["", "no JSON", "[1, 2]", '{"some": "thing"}', '{"steps": []}'])
def test_what_is_no_preview_is_refused_with_how_to_make_one(text: str) -> None:
    with pytest.raises(ToolchainError) as refused:
        read(text)
    assert "PULUMI_ENABLE_STREAMING_JSON_PREVIEW=true pulumi preview --json" in refused.value.todo


def test_each_stack_has_a_comment_of_its_own_that_the_next_preview_finds() -> None:
    texts = [comment(recording("unchanged"), stack) for stack in ("dev", "prod", "de-->v")]
    firsts = [text.splitlines()[0] for text in texts]
    assert firsts == [marker(stack) for stack in ("dev", "prod", "de-->v")]
    assert len(set(firsts)) == 3
    assert all(first.count("-->") == 1 for first in firsts)


def filled(text: str) -> Preview:
    """A preview with the same foreign text wherever there can be one."""
    change = Change(
        urn=f"urn:x::{text}",
        operation="replace",
        type="kubernetes:apps/v1:Deployment",
        model=text,
        old={"spec": {"template": {"spec": {"containers": [{"name": text, "image": text}]}}}},
        new={"spec": {"a": text}},
        paths=("spec.a", f'spec["{text}"]'),
        forcing=(text,),
    )
    return Preview(
        changes=(change, replace(change, type="docker-build:index:Image", operation="update")),
        violations=(Violation(text, "mandatory", text), Violation(text, "advisory", text)),
        messages=(Message("error", text), Message("warning", text)),
        before={"capacity": {"total": {"cpu": text}, "models": {text: {"cpu": 1}}}},
        after={"capacity": {"total": {"cpu": 1}, "models": {text: {"cpu": text}}, "prices": {"currency": text}}},
    )


MARKUP = ["`", "``", "```", "|", "<b>", "<!--", "-->", "@all", "[a](b)", "#", "~~~", "&lt;", "http://a.b", "\\", "\n"]
NASTY = st.one_of(st.text(), st.lists(st.sampled_from(MARKUP)).map("".join))


@given(NASTY)
def test_foreign_text_is_never_markup(text: str) -> None:
    files = {text: [text]}
    body = comment(filled(text), text, files=files, warnings=[text])
    for token in _flat(RENDERER.parse(body)):
        assert token.type not in ("link_open", "image")
        if token.type in ("text", "html_block", "html_inline"):
            assert "@all" not in token.content
            assert "http://a.b" not in token.content
        if token.type in ("html_block", "html_inline"):
            tags = set(re.findall(r"<[^>]*>", token.content))
            known = {marker(text), "<details>", "<summary>", "</summary>", "</details>", "<code>", "</code>"}
            assert tags <= known | {"<sub>", "</sub>"}
    assert body.count("\n## ") == 1


def _flat(tokens: Any) -> Any:
    for token in tokens:
        yield token
        yield from _flat(token.children or ())


def test_the_markdown_of_a_mistake_stays_what_it_is() -> None:
    rendered = RENDERER.render(comment(filled(MARKDOWN), STACK, files={MARKDOWN: [MARKDOWN]}))
    assert "<b>" not in rendered
    assert "<a " not in rendered
    assert "<img" not in rendered
    assert "&lt;b&gt;@everyone&lt;/b&gt;" in rendered


@pytest.mark.parametrize("limit", [1_500, 5_000, LIMIT])
def test_what_is_too_long_is_cut_between_entries_and_says_so(limit: int) -> None:
    preview = recording("removed-and-replaced")
    many = tuple(replace(change, urn=f"{change.urn}-{number}") for number in range(2_000) for change in preview.changes)
    text = comment(replace(preview, changes=many), STACK, limit=limit)
    assert len(text.encode()) <= limit
    assert text.startswith(marker(STACK))
    assert re.search(r"\*\*\d+ entries are left out: see `make preview STACK=recorded`\*\*\n$", text)
    assert text.count("<details>") == text.count("</details>")
    assert "are left out" not in comment(preview, STACK)


@pytest.mark.parametrize("length", [4_000, 100_000])
def test_one_message_alone_cannot_fill_it(length: int) -> None:
    said = Message("error", "x" * length)
    text = comment(Preview(messages=(said,), failed=True), STACK)
    assert len(text) < 6_000
    assert ("more characters" in text) == (length > 4_000)
