"""Job files: what they become, and what is told where they are wrong."""

from pathlib import Path

import pytest

from burnish.cli import jobfile
from burnish.cli.exits import USAGE, CliError
from tests.cli.conftest import JOB


def refusal(path: Path, text: str) -> CliError:
    path.write_text(text)
    with pytest.raises(CliError) as refused:
        jobfile.read(path)
    assert refused.value.code == USAGE
    return refused.value


def test_file_becomes_the_request(job_file: Path) -> None:
    spec = jobfile.read(job_file)
    assert spec.body() == {
        "base_model": "tiny",
        "output_name": "adder",
        "gpu": {"type": "CPU", "count": 1},
        "hyperparameters": {"learning_rate": 1e-3, "max_steps": 4},
    }
    assert spec.reference("dataset") == job_file.parent / "prompts.jsonl"


def test_set_goes_over_the_file_and_flags_over_set(job_file: Path) -> None:
    spec = jobfile.read(job_file)
    flags = {"output_name": "from-flag", "gpu": "H100:2"}
    jobfile.apply(spec, ["hp.lr=1e-6", "output_name=from-set", "hyperparameters.seed=7"], flags)
    body = spec.body()
    assert body["output_name"] == "from-flag"
    assert body["gpu"] == {"type": "H100", "count": 2}
    assert body["hyperparameters"] == {"learning_rate": 1e-6, "max_steps": 4, "seed": 7}


def test_names_of_the_api_are_read_too(job_file: Path) -> None:
    job_file.write_text('dataset_id = "ds_abc"\nreward_function_id = "rf_abc"\n')
    spec = jobfile.read(job_file)
    assert (spec.reference("dataset"), spec.reference("reward")) == ("ds_abc", "rf_abc")


def test_bad_toml_names_the_line(job_file: Path) -> None:
    assert "line 3" in refusal(job_file, 'base_model = "tiny"\ngpu = "CPU"\noutput_name = adder\n').message


def test_unknown_key_names_its_line_and_what_was_meant(job_file: Path) -> None:
    error = refusal(job_file, 'base_model = "tiny"\ndatset = "prompts.jsonl"\n')
    assert error.message == f"{job_file}:2: unknown key 'datset'."
    assert error.hint == "Did you mean dataset?"


def test_unknown_key_of_set_names_the_flag(job_file: Path) -> None:
    with pytest.raises(CliError, match="--set speed: unknown key 'speed'"):
        jobfile.read(job_file).set("speed=1")


@pytest.mark.parametrize("assignment", ["learning_rate", "=5", "hyperparameters..seed=1"])
def test_malformed_set_is_refused(assignment: str) -> None:
    with pytest.raises(CliError, match="--set takes KEY=VALUE"):
        jobfile.JobFile().set(assignment)


def test_missing_values_are_named_with_their_flags() -> None:
    with pytest.raises(CliError) as refused:
        jobfile.JobFile({"base_model": "tiny"}).body()
    assert refused.value.message == "A job needs dataset (--dataset), output_name (--name), gpu (--gpu)."


def test_missing_file_names_its_line(job_file: Path) -> None:
    (job_file.parent / "reward.py").unlink()
    with pytest.raises(CliError) as refused:
        jobfile.read(job_file).reference("reward")
    assert refused.value.message == f"{job_file}:3: reward.py is neither an id nor a file."


@pytest.mark.parametrize(
    ("param", "line"),
    [("gpu.type", 5), ("hyperparameters.max_steps", 9), ("hyperparameters", 7), ("dataset_id", 2), ("seed", None)],
)
def test_line_of_a_field(param: str, line: int | None) -> None:
    found = jobfile.JobFile({}, Path("job.toml"), JOB).where(param)
    assert found == (f"job.toml:{line}" if line else "job.toml")


@pytest.mark.parametrize("gpu", ["", ":2", "H100:x", 7])
def test_malformed_hardware_names_where_it_stands(gpu: object) -> None:
    with pytest.raises(CliError, match="--gpu: hardware is TYPE or TYPE:COUNT"):
        jobfile.gpu(gpu, "--gpu")
