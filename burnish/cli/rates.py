"""`burnish rates`: what hardware costs here. Works on the database and the files of this machine."""

import asyncio

from burnish.cli import operator
from burnish.cli.command import AsJson, group, reported
from burnish.cli.output import Output

COLUMNS = ("provider", "gpu_type", "usd_per_hour", "source", "updated_at")

app = group("Rates of hardware (operator: works on this machine's database).")


@app.command("show")
def show(as_json: AsJson = False) -> None:
    """Show every rate and where it comes from: the file, the providers' catalogues, the defaults or the settings."""
    out = Output(as_json)
    with reported(out):
        out.table(asyncio.run(operator.list_rates()), COLUMNS, "No rates.")


@app.command("refresh")
def refresh(as_json: AsJson = False) -> None:
    """Fetch the providers' catalogues now, from BURNISH_RATES_REFRESH_URL."""
    out = Output(as_json)
    with reported(out):
        found = asyncio.run(operator.refresh_rates())
        out.table(found, ("provider", "rates", "error"), "No catalogues.")
