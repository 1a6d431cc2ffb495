"""The rules of this project's Pulumi code that a linter does not know, found in syntax trees."""

import ast
from collections.abc import Iterator
from pathlib import Path

FRAMEWORKS = frozenset(
    {"tensorflow", "keras", "tf2onnx", "torch", "jax", "sklearn", "onnx", "onnxruntime", "numpy", "scipy", "pandas"}
)


def imported(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Every module that a file imports, wherever in it, with the line."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.lineno, node.module
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)


def program_files(root: Path) -> list[Path]:
    """`__main__.py`, what writes Compose projects, and every file of ours that these import, directly or not."""
    found: dict[Path, None] = {}
    waiting = [root / "__main__.py", root / "components" / "compose.py"]
    while waiting:
        file = waiting.pop()
        if file in found:
            continue
        found[file] = None
        for _, module in imported(ast.parse(file.read_text())):
            parts = module.split(".")
            for length in range(1, len(parts) + 1):
                base = root.joinpath(*parts[:length])
                waiting += [path for path in (base.with_suffix(".py"), base / "__init__.py") if path.is_file()]
    return sorted(found)


def framework_imports(source: str) -> list[str]:
    """Imports of machine-learning frameworks: training and inference have their own images."""
    return [f"line {line}: {name}" for line, name in imported(ast.parse(source)) if name.split(".")[0] in FRAMEWORKS]


def work_inside_apply(source: str) -> list[str]:
    """Resources, raises and input or output inside the function given to `.apply`.

    What is created there is missing from previews, and what fails there fails half an update.
    """
    tree = ast.parse(source)
    functions = {node.name: node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
    found = []
    for call in ast.walk(tree):
        if not (isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr == "apply"):
            continue
        for argument in call.args:
            body = functions.get(argument.id) if isinstance(argument, ast.Name) else argument
            found += [f"line {node.lineno}: {what}" for node, what in _work(body) if body is not None]
    return found


def _work(body: ast.AST | None) -> Iterator[tuple[ast.stmt | ast.expr, str]]:
    for node in ast.walk(body) if body is not None else ():
        if isinstance(node, ast.Raise):
            yield node, "raise"
        elif isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if name[:1].isupper() or name in {"open", "print", "read_text", "write_text", "run"}:
                yield node, name


def config_readers(source: str) -> list[str]:
    """Uses of `pulumi.Config`, which only one file may read."""
    nodes = ast.walk(ast.parse(source))
    return [
        f"line {node.lineno}"
        for node in nodes
        if (isinstance(node, ast.Attribute) and node.attr == "Config" and ast.unparse(node.value) == "pulumi")
        or (isinstance(node, ast.ImportFrom) and node.module == "pulumi" and "Config" in {a.name for a in node.names})
    ]


def component_faults(source: str) -> list[str]:
    """Component resources whose type token is not model-serving:<area>:<Class>, or that register no outputs."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.ClassDef):
            continue
        if "ComponentResource" in {ast.unparse(base).split(".")[-1] for base in node.bases}:
            calls = [call for call in ast.walk(node) if isinstance(call, ast.Call)]
            tokens = [ast.unparse(call.args[0]) for call in calls if ast.unparse(call.func) == "super().__init__"]
            if not any(t.startswith("'model-serving:") and t.endswith(f":{node.name}'") for t in tokens):
                found.append(f"{node.name}: type token")
            if "self.register_outputs" not in {ast.unparse(call.func) for call in calls}:
                found.append(f"{node.name}: register_outputs")
    return found
