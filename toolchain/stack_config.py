"""The copy of a stack's configuration that Pulumi works on, so that the committed file never changes.

Pulumi writes a salt, and secrets as ciphertext, into the configuration file it is given. Those live in the copy; all
else comes from the committed file, anew at every run.
"""

import os
from pathlib import Path
from typing import Any

import yaml

from toolchain import paths
from toolchain.errors import ToolchainError
from toolchain.stack import Stack

# What Pulumi adds to a stack file for its secrets.
_ENCRYPTION_KEYS = ("secretsprovider", "encryptedkey", "encryptionsalt")


def copy_path(stack: Stack) -> Path:
    """Where a stack's copy lives, in the data folder."""
    return paths.data() / "stacks" / stack.project / f"{stack.name}.yaml"


def refresh(stack: Stack) -> Path:
    """Bring the copy up to date with the committed file and return it."""
    target = copy_path(stack)
    try:
        committed = yaml.safe_load(stack.file.read_text()) or {}
        copy = (yaml.safe_load(target.read_text()) or {}) if target.exists() else {}
    except yaml.YAMLError as error:
        raise ToolchainError("read the stack's configuration", f"{error}", f"See {stack.file} and {target}.") from None
    text = yaml.safe_dump(merge(committed, copy), sort_keys=False)
    if not target.exists() or target.read_text() != text:
        target.parent.mkdir(parents=True, exist_ok=True)
        fresh = target.with_name(f".{target.name}.{os.getpid()}")
        fresh.write_text(text)
        fresh.chmod(0o600)
        fresh.replace(target)
    return target


def merge(committed: dict[str, Any], copy: dict[str, Any]) -> dict[str, Any]:
    """The committed configuration, with the copy's encryption keys and its secret values that were not committed."""
    merged = dict(committed)
    if not any(key in committed for key in _ENCRYPTION_KEYS):
        merged.update({key: copy[key] for key in _ENCRYPTION_KEYS if key in copy})
    config = dict(committed.get("config") or {})
    for key, value in (copy.get("config") or {}).items():
        if isinstance(value, dict) and set(value) == {"secure"} and key not in config:
            config[key] = value
    merged["config"] = config
    return merged
