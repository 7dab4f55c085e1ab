"""Every table of the platform, imported so that the migrations see one whole."""

from sqlmodel import SQLModel

from burnish.kit import tables as plumbing
from models import account, api_key, base_model, dataset, deployment, host, job, ledger, reward_function

metadata = SQLModel.metadata

__all__ = [
    "account",
    "api_key",
    "base_model",
    "dataset",
    "deployment",
    "host",
    "job",
    "ledger",
    "metadata",
    "plumbing",
    "reward_function",
]
