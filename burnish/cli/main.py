"""`burnish`: noun, then verb. Data on stdout, the rest on stderr; exit codes in `burnish.cli.exits`."""

from importlib.metadata import version
from typing import Annotated

import typer

from burnish.cli import (
    accounts,
    adopting,
    audit,
    batch,
    billing,
    budget,
    chat,
    completion,
    cost,
    datasets,
    demo,
    deploy,
    doctor,
    evals,
    files,
    integrations,
    jobs,
    keys,
    login,
    models,
    rates,
    rewards,
    secrets,
    ssh_keys,
    up,
    worker,
)

app = typer.Typer(
    name="burnish",
    help="Train models with your own rewards, deploy the checkpoints, call them with the OpenAI SDK.",
    epilog="Exit codes: 0 ok, 1 error, 2 usage, 3 job failed, 4 not found, 5 key, 6 credit, 7 timed out, 130 interrupted.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
)

app.command("up")(up.up)
app.command("demo")(demo.demo)
app.command("doctor")(doctor.doctor)
app.add_typer(worker.app, name="worker")
app.command("login")(login.login)
app.add_typer(datasets.app, name="datasets")
app.add_typer(rewards.app, name="rewards")
app.add_typer(jobs.app, name="jobs")
deploy.app.command("adopt")(adopting.adopt)
app.add_typer(deploy.app, name="deploy")
app.command("chat")(chat.chat)
app.add_typer(batch.app, name="batch")
app.add_typer(files.app, name="files")
app.add_typer(evals.app, name="evals")
app.add_typer(cost.app, name="cost")
app.add_typer(billing.app, name="billing")
app.add_typer(budget.app, name="budget")
app.add_typer(keys.app, name="keys")
app.add_typer(ssh_keys.app, name="ssh-keys")
app.add_typer(integrations.app, name="integrations")
app.command("audit")(audit.audit)
app.command("completion")(completion.completion)
app.add_typer(models.app, name="models")
app.add_typer(accounts.app, name="accounts")
app.add_typer(rates.app, name="rates")
app.add_typer(secrets.app, name="secrets")


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(version("burnish"))
        raise typer.Exit()


@app.callback()
def main(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and leave.")
    ] = False,
) -> None:
    """Train models with your own rewards, deploy the checkpoints, call them with the OpenAI SDK."""


if __name__ == "__main__":
    app()
