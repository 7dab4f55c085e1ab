"""From a job file to a job: uploads what it names, tells the price, asks, creates."""

import hashlib
from pathlib import Path

from burnish.cli import price
from burnish.cli.client import PAGE, Api, Json, open_file
from burnish.cli.command import Cli
from burnish.cli.exits import ApiError
from burnish.cli.jobfile import ID_FIELDS, JobFile, located
from burnish.cli.output import Output, counted

ROUTES = {"dataset": "/v1/datasets", "reward": "/v1/reward_functions"}


def create(cli: Cli, spec: JobFile, *, ask: bool) -> Json:
    """Create the job. CliError naming the flag, or the line of the file, that the platform refuses."""
    body = spec.body()
    references = {key: spec.reference(key) for key in ROUTES}
    if ask:
        price.agree(cli, body["gpu"], "The job")
    for key, reference in references.items():
        if reference is not None:
            body[ID_FIELDS[key]] = reference if isinstance(reference, str) else upload(cli.api, cli.out, key, reference)
    try:
        return cli.api.post("/v1/training_jobs", body)
    except ApiError as error:
        error.message = located(spec, error.param, error.message)
        raise


def upload(api: Api, out: Output, key: str, path: Path) -> str:
    """Return the id of an uploaded file: of an earlier upload where the platform has the same bytes under the same name."""
    route = ROUTES[key]
    with open_file(path) as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        for known in api.all(route, PAGE):
            if known["sha256"] == digest and known["name"] == path.stem:
                out.say(f"{path.name}: uploaded before, as {known['id']}")
                return str(known["id"])
        file.seek(0)
        with counted(out, path, file) as shown:
            made = api.upload(route, {"name": path.stem}, path.name, shown)
    out.say(f"{path.name}: uploaded as {made['id']}")
    return str(made["id"])
