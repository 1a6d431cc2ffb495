"""Mistakes between databases and what reaches them."""

from collections.abc import Iterator

from components.config.given import Given, holders_of, models_of, section_of
from components.config.problems import Path, Problem
from components.config.sections.runtime import OWN_RUNTIMES


def problems(given: Given) -> Iterator[Problem]:
    """Every such mistake."""
    yield from _untrusted_databases(given)
    yield from _unchecked_databases(given)


def _untrusted_databases(given: Given) -> Iterator[Problem]:
    """A certificate is verified with authorities, and the server's image has none of its own."""
    for path, holder in holders_of(given.data):
        database = section_of(holder, "database")
        mode = section_of(database, "tls").get("mode", "verify-full")
        known = section_of(database, "tls").get("ca") or given.data.get("caBundle")
        if database and not known and mode in ("verify-full", "verify-ca"):
            where: Path = (*path, "database", "tls", "ca")
            yield Problem(
                path=where,
                message=f"is required and missing; with mode {mode}, the file of this project with the certificates "
                "(PEM) of the authorities to trust, unless the stack has a caBundle",
                fix=given.commands.set(where, "config/database-ca.pem"),
            )


def _unchecked_databases(given: Given) -> Iterator[Problem]:
    """Only this project's server asks its database; another is ready when its own probe says so."""
    for name, model in models_of(given.data):
        runtime = model.get("runtime")
        if section_of(model, "database").get("readinessCheck") is True and runtime not in (None, *OWN_RUNTIMES):
            where: Path = ("models", name, "database", "readinessCheck")
            yield Problem(
                path=where,
                message=f"is not possible with runtime {runtime}, whose own probe says when it is ready; "
                f"allowed with: {', '.join(OWN_RUNTIMES)}",
                fix=given.commands.remove(where),
            )
