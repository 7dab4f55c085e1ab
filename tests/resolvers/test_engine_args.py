"""Engine flags of a deployment: refused when it is made, with the flag's name, and kept as they were written."""

from typing import Any

import pytest

from burnish.kit.errors import Invalid
from engines.serving import starting
from resolvers import deployment_inputs, deployments
from tests.conftest import Server
from tests.rest_compat import things

pytestmark = pytest.mark.anyio
SPEC: dict[str, Any] = {"model": "acme/one", "source": "huggingface", "name": "one", "gpu": {"type": "H100", "count": 2}}


def given(**more: Any) -> deployment_inputs.DeploymentInput:
    return deployment_inputs.DeploymentInput.model_validate({**SPEC, **more})


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"extra_args": ["--trust-remote-code"]}, "extra_args: --trust-remote-code: this flag may not be set."),
        ({"extra_args": ["--seed=1", "--load_format=pickle"]}, "extra_args: --load_format: this flag may not be set."),
        (
            {"extra_args": ["--max-num-seqs=4"], "max_batch_size": 5},
            "extra_args: --max-num-seqs: it is 4, and max_batch_size is 5.",
        ),
        (
            {"extra_args": ["--tensor-parallel-size=2"], "gpu": {"type": "CPU", "count": 1}},
            "extra_args: --tensor-parallel-size: it is 2, and a replica has 1 GPU.",
        ),
    ],
)
async def test_a_flag_that_may_not_be_set_is_refused_by_its_name(server: Server, more: dict[str, Any], message: str) -> None:
    ctx = await server.context()
    before = await things.everything(server)
    with pytest.raises(Invalid) as refused:
        await deployments.create(ctx, given(**more))
    error = refused.value
    assert (error.status, error.code, error.param, error.message) == (400, "invalid_engine_args", "extra_args", message)
    assert await things.everything(server) == before


async def test_flags_reach_the_engine_with_what_is_said_elsewhere(server: Server) -> None:
    ctx = await server.context()
    flags = ["--max-model-len=512", "--no-enable-prefix-caching"]
    row = await deployments.create(ctx, given(extra_args=flags, max_batch_size=16))
    assert row.extra_args == flags
    assert starting.arguments(row).flags() == [
        "--max-model-len=512",
        "--max-num-seqs=16",
        "--no-enable-prefix-caching",
        "--tensor-parallel-size=2",
    ]
