"""Every table of the platform, imported so that the migrations see one whole."""

from sqlmodel import SQLModel

from burnish.kit import tables as plumbing
from models import (
    account,
    account_user,
    api_key,
    async_completion,
    audit,
    base_model,
    batch,
    books,
    budget,
    dataset,
    deployment,
    eval,
    file,
    host,
    integration,
    job,
    ledger,
    provider_rate,
    replica,
    reward_function,
    ssh_key,
)

metadata = SQLModel.metadata

__all__ = [
    "account",
    "account_user",
    "api_key",
    "async_completion",
    "audit",
    "base_model",
    "batch",
    "books",
    "budget",
    "dataset",
    "deployment",
    "eval",
    "file",
    "host",
    "integration",
    "job",
    "ledger",
    "metadata",
    "plumbing",
    "provider_rate",
    "replica",
    "reward_function",
    "ssh_key",
]
