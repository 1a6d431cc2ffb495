"""The command line."""

import sys
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from toolchain import attestations, checks, compose, disk, doctor, local, lock, operations, paths, promotion, recovery
from toolchain import drift as drifting
from toolchain import render as rendering
from toolchain import stack as stacks
from toolchain.errors import ToolchainError
from toolchain.model_logs import show as show_logs
from toolchain.predict import predict as ask
from toolchain.progress import Progress, err
from toolchain.review import command as review
from toolchain.supply import commands as supply

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Deploy the models of a stack, and look after what a local stack needs.",
)
ModelOption = Annotated[str, typer.Option("--model", "-m", help="Name of the model.")]
StackOption = Annotated[str, typer.Option("--stack", "-s", help="Name of the stack: Pulumi.<stack>.yaml.")]


def run() -> NoReturn:
    """Run the command line and exit: with one message instead of a traceback for a failure of the user's concern."""
    try:
        app(prog_name="python3 -m toolchain")
    except ToolchainError as error:
        _print(error)
    except OSError as error:
        if not disk.is_full(error):
            raise
        _print(disk.failure(" ".join(sys.argv[1:2]), str(error)))
    sys.exit(0)


def _print(error: ToolchainError) -> NoReturn:
    err.print("[red]error:[/red] ", end="")
    err.print(f"{error.step}: {error.why}", markup=False)
    if error.todo:
        err.print(error.todo, markup=False)
    sys.exit(1)


@app.command()
def up(
    stack: StackOption = "dev",
    refresh: Annotated[bool, typer.Option("--refresh", help="Take back what others changed in the cluster.")] = False,
) -> None:
    """Install and start what is missing (local stacks only), run `pulumi up`, and ask the models for an answer."""
    raise typer.Exit(operations.up(stacks.load(stack), Progress(), refresh=refresh))


@app.command()
def preview(stack: StackOption = "dev") -> None:
    """Show what `up` would change, and change nothing."""
    raise typer.Exit(operations.preview(stacks.load(stack), Progress()))


@app.command()
def comment(
    stack: StackOption = "dev",
    preview: Annotated[
        Path | None,
        typer.Option(
            help="A file with what `pulumi preview --json` printed, - for standard input; else it is run now."
        ),
    ] = None,
    base: Annotated[
        str, typer.Option(help="The branch that changed files are counted from; default: the clone's own, or main.")
    ] = "",
    output: Annotated[Path | None, typer.Option(help="Where to write the comment; default: standard output.")] = None,
) -> None:
    """Write what `up` would change as a comment for a pull request, in Markdown."""
    raise typer.Exit(review.write(stacks.load(stack), kept=preview, base=base, output=output))


@app.command()
def promote(
    model: ModelOption,
    origin: Annotated[str, typer.Option("--from", help="The stack that runs the image.")],
    target: Annotated[str, typer.Option("--to", help="The stack whose file is to name it.")],
) -> None:
    """Name the image that one stack runs, healthy, in another stack's file. Deploys nothing."""
    raise typer.Exit(promotion.promote(model, stacks.load(origin), stacks.load(target)))


@app.command()
def rollback(model: ModelOption, stack: StackOption = "dev") -> None:
    """Name the image that a model ran before in the stack's file, and deploy it."""
    raise typer.Exit(promotion.rollback(model, stacks.load(stack), Progress()))


@app.command()
def sbom(model: ModelOption, stack: StackOption = "dev") -> None:
    """Print the list of packages (CycloneDX) that is attached to the image which a model runs."""
    attestations.show("sbom", stacks.load(stack), model)


@app.command()
def provenance(model: ModelOption, stack: StackOption = "dev") -> None:
    """Print where the image that a model runs came from (SLSA), as it is attached to it."""
    attestations.show("provenance", stacks.load(stack), model)


@app.command()
def drift(stack: StackOption = "dev") -> None:
    """Show what somebody else changed in the cluster, and change nothing. Ends with 7 if there is anything."""
    raise typer.Exit(drifting.report(stacks.load(stack), Progress(err)))


@app.command()
def destroy(stack: StackOption = "dev") -> None:
    """Delete everything that the stack has in its cluster. Pushed images and the local services stay."""
    raise typer.Exit(operations.destroy(stacks.load(stack), Progress()))


@app.command()
def recover(stack: StackOption = "dev") -> None:
    """After an `up` that was killed: clear its lock, and import or forget what it was creating."""
    raise typer.Exit(recovery.recover(stacks.load(stack), Progress()))


@app.command()
def render(
    stack: StackOption = "dev",
    output: Annotated[
        Path | None, typer.Option("--out", help="Folder of the manifests; without it rendered/<stack>.")
    ] = None,
) -> None:
    """Write the stack as plain Kubernetes manifests, secrets as references only. No cluster is asked."""
    folder = output or paths.REPOSITORY / "rendered" / stack
    raise typer.Exit(rendering.render(stacks.load(stack), folder, Progress()))


@app.command()
def predict(
    stack: StackOption = "dev",
    model: Annotated[str | None, typer.Option(help="One model; without it, every model of the stack.")] = None,
) -> None:
    """Send its examples to each deployed model and compare the answers."""
    if not ask(stacks.load(stack), model or None):
        raise typer.Exit(1)


@app.command(name="compose")
def compose_command(stack: StackOption = "dev") -> None:
    """Write compose/<stack>/compose.yaml: the stack's models for `docker compose up`, without a cluster."""
    compose.compose(stacks.load(stack), Progress())


@app.command()
def logs(
    stack: StackOption = "dev",
    model: Annotated[str | None, typer.Option(help="One model; without it, every model of the stack.")] = None,
    since: Annotated[str, typer.Option(help="How far back to begin: 30s, 10m, 2h, 1d.")] = "10m",
    follow: Annotated[bool, typer.Option(help="Go on until Ctrl-C, with pods that join.")] = True,
) -> None:
    """Show what the pods of a model write, all of them at once."""
    show_logs(stacks.load(stack), model or None, since, follow=follow)


@app.command()
def status(
    stack: StackOption = "dev",
    services: Annotated[bool, typer.Option("--services", help="Only the local services.")] = False,
) -> None:
    """Show the services that run for a local stack, the stack's outputs and its pods."""
    if services:
        operations.service_status()
    else:
        operations.status(stacks.load(stack))


@app.command(name="report")
def report_command(
    stack: StackOption = "dev",
    prometheus: Annotated[
        str | None, typer.Option(help="Address of a Prometheus; without it, the one that watches the stack.")
    ] = None,
    output: Annotated[Path | None, typer.Option(help="Where to write it: report-<stack>.html.")] = None,
) -> None:
    """Write a page about the last hour of each model, with charts, for any browser."""
    from toolchain import report  # what it asks is slow to import, and only asked here

    file = output or Path(f"report-{stack}.html")
    report.write(stacks.load(stack), file, prometheus or None)
    typer.echo(f"wrote {file}")


@app.command()
def down(stack: StackOption = "dev") -> None:
    """Stop the local services that `up` started, and nothing else. State, images and cluster data stay."""
    operations.down(stacks.load(stack), Progress())


@app.command(name="doctor")
def doctor_command(
    as_json: Annotated[bool, typer.Option("--json", help="For programs: ready, platform, parts, needed.")] = False,
) -> None:
    """Show every part that a local stack needs: found, or how it will be had. Ends with 1 if something is needed."""
    if not doctor.report(as_json=as_json):
        raise typer.Exit(1)


@app.command()
def prune() -> None:
    """Delete tools and downloads in the cache folder that no pin of this checkout names."""
    with lock.of_local_stacks():
        local.prune(Progress())


@app.command()
def install(
    addons: Annotated[
        list[str] | None,
        typer.Argument(
            help="Only these: actionlint, helm, cosign, oras, syft, osv-scanner, metrics-server, kwok, karpenter, "
            "monitoring, prometheus, prometheus-adapter, docker, log-collector."
        ),
    ] = None,
) -> None:
    """Get everything that a local stack needs, and start nothing."""
    with lock.of_local_stacks():
        if addons:
            local.install_addons(addons, Progress())
        else:
            local.install(Progress())


@app.command()
def start(
    stack: StackOption = "dev",
    addon: Annotated[
        list[str] | None,
        typer.Option(
            help="Also an add-on that the stack does not ask for: metrics-server, kwok, karpenter, monitoring, "
            "prometheus-adapter."
        ),
    ] = None,
) -> None:
    """Get and start what a local stack needs, and deploy nothing: for working with `pulumi` by hand."""
    operations.start(stacks.load(stack), Progress(), addon or ())


@app.command()
def env(stack: StackOption = "dev") -> None:
    """Print shell exports to run pulumi by hand: eval "$(python3 -m toolchain env)"."""
    loaded = stacks.load(stack)
    typer.echo(operations.shell_environment(loaded))


@app.command()
def check() -> None:
    """Run the static checks and the unit tests."""
    raise typer.Exit(checks.quick("tests/static", "tests/unit", "tests/policy"))


@app.command(
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
)
def test(context: typer.Context) -> None:
    """Run every test, installing what they need first. Further arguments go to pytest."""
    install(None)
    if context.args:
        raise typer.Exit(checks.pytest(*context.args))
    quick = checks.quick("tests", *(f"--ignore=tests/{folder}" for folder in checks.SHARING))
    # Started once: each process of tests would stop what it had started, under the others.
    with operations.started(stacks.load("dev"), Progress()):
        code = checks.sharing()
    raise typer.Exit(code or quick)


@app.command()
def bench(
    name: Annotated[str, typer.Argument(help="Name of the benchmark.")],
    json: Annotated[Path | None, typer.Option(help="Where to write the figures as JSON.")] = None,
) -> None:
    """Run one benchmark."""
    install(None)
    raise typer.Exit(checks.bench(name, json))


for command in supply.COMMANDS:
    app.command()(command)
