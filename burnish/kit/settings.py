"""Every setting of the platform: an environment variable `BURNISH_…`, a default, and what it does."""

import hashlib
import os
import tempfile
from functools import cached_property
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from burnish.kit import network
from burnish.kit.money import parse_usd

BROKER_SOCKET = "run/broker.sock"
MAX_SOCKET_PATH = 100
# Libraries that compute, and neither run what they are given nor need threads.
REWARD_LIBRARIES = (
    "dateutil,jsonschema,latex2sympy2_extended,Levenshtein,math_verify,mpmath,nltk,numpy,pandas,pydantic,pylatexenc,rapidfuzz,"
    "regex,scipy,sympy,yaml"
)


class Settings(BaseSettings):
    model_config = SettingsConfigDict(env_prefix="BURNISH_", extra="ignore")

    home: Path = Field(Path.home() / ".burnish", description="Where this machine keeps its state.")
    host: str = Field("127.0.0.1", description="Address the API listens on.")
    port: int = Field(8400, ge=1, le=65535, description="Port the API listens on.")
    public_url: str = Field("", description="The URL under which clients reach the API; made from host and port by default.")
    database_url: str = Field("", description="sqlite+aiosqlite:///… or postgresql+asyncpg://…; a file under `home` by default.")
    redis_url: str = Field("", description="redis://…; the broker that `burnish up` embeds by default.")
    storage_url: str = Field("", description="s3://bucket/prefix or file:///…; a folder under `home` by default.")
    storage_endpoint: str = Field("", description="Endpoint of an S3-compatible service, where it is not Amazon's.")
    pepper: str = Field(
        "", repr=False, description="Key of the API key hashes, 64 hexadecimal digits; a file under `home` by default."
    )
    encryption_key: str = Field(
        "",
        repr=False,
        description="Key that encrypts secrets at rest, 64 hexadecimal digits, or several with commas, the first for what is "
        "new; a file under `home` by default.",
    )
    cpu_fallback: bool | None = Field(
        None, description="Run any requested hardware on the CPU; by default where no GPU is found."
    )
    cpu_slots: int = Field(2, ge=1, description="How many jobs and replicas run on this host's CPU at once.")
    cpu_usd_per_hour: str = Field("0.10", description="Rate of a CPU slot.")
    gpu_usd_per_hour: str = Field("2.00", description="Rate of one of this machine's own GPUs.")
    rates_file: Path | None = Field(
        None, description="A TOML file of dollars an hour by provider and GPU type; `rates.toml` under `home` by default."
    )
    rates_refresh_url: str = Field("", description="Where price catalogues are fetched from; empty for never. See docs/costs.md.")
    rates_refresh_hours: float = Field(24.0, gt=0, description="How often price catalogues are fetched.")
    stripe_webhook_secret: str = Field("", description="Signing secret of the Stripe webhook, `whsec_…`; empty turns it off.")
    lease_s: float = Field(15.0, gt=0, description="How long a host may be silent before its work is given to another.")
    billing_period_s: int = Field(60, ge=1, description="How often running work is posted to the ledger.")
    save_grace_s: float = Field(
        120.0, gt=0, description="How long before its money ends a job is told to save a checkpoint and stop."
    )
    drain_s: float = Field(
        30.0,
        ge=0,
        description="How long a replica that is told to stop may take to end what it has begun, and the late output of a "
        "cancelled job is accepted.",
    )
    reward_deadline_s: float = Field(60.0, gt=0, description="How long a reward function may take for one batch.")
    reward_libraries: str = Field(
        REWARD_LIBRARIES,
        description="Installed libraries that reward functions may import beside Python's own, with commas; `*` for all.",
    )
    reward_memory_bytes: int = Field(4 * 2**30, ge=2**28, description="Address space of a reward function's process.")
    reward_require_landlock: bool = Field(
        False, description="Refuse to run reward functions on a kernel without Landlock, where seccomp alone would shut files."
    )
    reward_unprotected: bool = Field(
        False, description="Run reward functions even where this host cannot jail them. Anyone who may upload one owns the host."
    )
    reward_tests: int = Field(2, ge=1, description="How many reward functions an API process tests at once.")
    reward_test_deadline_s: float = Field(
        10.0, gt=0, description="How long a reward function may take when it is tested: to load, and for each batch."
    )
    openreward_api_url: str = Field("https://api.openreward.ai", description="Where OpenReward answers questions about itself.")
    openreward_session_url: str = Field(
        "https://sessions.openreward.ai",
        description="Where OpenReward's environments are reached: OpenReward itself, or an environment server of one's own.",
    )
    openreward_timeout_s: float = Field(
        600.0, gt=0, description="How long an environment may take to open a session or to answer a call of a tool."
    )
    heartbeat_timeout_s: float = Field(
        300.0,
        ge=0,
        description="How long the client of a job with `requires_heartbeat` may be silent before the job is ended; 0 for ever.",
    )
    concurrent_jobs: int = Field(0, ge=0, description="Jobs of an account that have not ended at once; 0 for no limit.")
    active_deployments: int = Field(0, ge=0, description="Active deployments of an account at once; 0 for no limit.")
    delivery_buckets: str = Field(
        "",
        description="Where jobs may send their models: `bucket` or `bucket/folder`, separated by commas; `{account}` in a folder "
        "stands for the account's own name.",
    )
    delivery_endpoint: str = Field("", description="Endpoint of these buckets, where it is not Amazon's.")
    delivery_attempts: int = Field(5, ge=1, description="How often the delivery of a model is tried.")
    engine_choice: Literal["auto", "vllm", "transformers"] = Field(
        "auto", description="The engine of replicas: vllm, transformers, or auto for vLLM wherever it runs."
    )
    replica_start_s: float = Field(600.0, gt=0, description="How long a replica may take to become ready.")
    replica_attempts: int = Field(
        5, ge=1, description="Replicas that fail in a row after which an update is taken back, or a deployment fails."
    )
    hold_s: float = Field(
        60.0,
        ge=0,
        description="How long a request may wait for a replica of a deployment that has served: woken, coming back, or busy.",
    )
    held_requests: int = Field(
        100, ge=0, description="Requests of a deployment that wait so in one API process; more are told to try again."
    )
    replica_requests: int = Field(
        512,
        ge=1,
        description="Requests at once of one replica, of all API processes together where Redis is there; more wait in line for "
        "a free place, `BURNISH_HOLD_S` at most.",
    )
    queued_requests: int = Field(
        1000,
        ge=0,
        description="Requests of a deployment that wait in line for a free place in one API process; more are told to try again.",
    )
    stall_s: float = Field(30.0, gt=0, description="How long a client may take nothing of what it is sent before it is cut off.")
    max_dataset_bytes: int = Field(10 * 2**30, ge=1, description="Largest dataset file.")
    max_line_bytes: int = Field(16 * 2**20, ge=1, description="Longest line of a dataset.")
    max_file_bytes: int = Field(512 * 2**20, ge=1, description="Largest file that is uploaded for batches and the like.")
    max_reward_bytes: int = Field(2**20, ge=1, description="Largest reward function file.")
    max_body_bytes: int = Field(10 * 2**20, ge=1, description="Largest JSON body of an ordinary request.")
    open_networks: str = Field(
        "",
        description="Networks such as 10.0.0.0/8, with commas between, in which connected sources may lie beside the internet.",
    )
    source_timeout_s: float = Field(3600.0, gt=0, description="How long the reading of a connected source may take.")
    introspection: bool = Field(True, description="Whether GraphQL answers questions about its schema.")
    query_timeout_s: float = Field(10.0, gt=0, description="How long a GraphQL query may take; mutations are never cut.")
    requests_per_minute: int = Field(
        12_000,
        ge=0,
        description="GraphQL operations and REST requests of an API key, inference excepted; a tenth for an address without one; "
        "0 for no limit.",
    )
    points_per_minute: int = Field(
        600_000,
        ge=0,
        description="The cost of GraphQL operations of an API key, and a point for each REST request; a tenth without one; "
        "0 for no limit.",
    )
    inference_requests_per_minute: int = Field(
        0, ge=0, description="Completions that an API key may ask for, unless it has a lower limit of its own; 0 for no limit."
    )
    inference_tokens_per_minute: int = Field(
        0, ge=0, description="Prompt and completion tokens of an API key, unless it has a lower limit of its own; 0 for no limit."
    )
    keep_logs_days: int = Field(
        365, ge=0, description="Days that logs are kept: of a job after its end, of a deployment each line; 0 for ever."
    )
    keep_rollouts_days: int = Field(365, ge=0, description="Days that rollouts are kept after the end of their job; 0 for ever.")
    keep_metrics_days: int = Field(0, ge=0, description="Days that metrics are kept after the end of their job; 0 for ever.")
    keep_events_days: int = Field(
        0, ge=0, description="Days that events are kept: of a job after its end, of a deployment and an account each; 0 for ever."
    )
    keep_audit_days: int = Field(0, ge=0, description="Days that entries of the audit log are kept; 0 for ever.")
    download_url_s: int = Field(3600, ge=1, description="How long a download URL works.")
    log_level: str = Field("info", description="debug, info, warning or error.")

    @field_validator("cpu_usd_per_hour", "gpu_usd_per_hour")
    @classmethod
    def _a_rate(cls, value: str) -> str:
        if parse_usd(value) < 0:
            raise ValueError("a rate is not negative")
        return value

    @field_validator("openreward_api_url", "openreward_session_url")
    @classmethod
    def _a_web_address(cls, value: str) -> str:
        parts = urlsplit(value)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.path not in ("", "/") or parts.query:
            raise ValueError("must be http://host or https://host, without a path")
        return value.rstrip("/")

    @field_validator("open_networks")
    @classmethod
    def _some_networks(cls, value: str) -> str:
        network.networks(value)
        return value

    @property
    def guard(self) -> network.Guard:
        """What connections to addresses of a tenant's choice may reach."""
        return network.Guard(network.networks(self.open_networks))

    @cached_property
    def base_url(self) -> str:
        """The URL under which clients reach the API."""
        return self.public_url.rstrip("/") or self.local_url

    @cached_property
    def local_url(self) -> str:
        """The URL under which this machine reaches the API."""
        host = "127.0.0.1" if self.host in ("0.0.0.0", "::") else self.host
        return f"http://{host}:{self.port}"

    @cached_property
    def database(self) -> str:
        return self.database_url or f"sqlite+aiosqlite:///{self.home / 'burnish.db'}"

    @cached_property
    def redis(self) -> str:
        return self.redis_url or f"unix://{self.broker_socket}"

    @cached_property
    def broker_socket(self) -> Path:
        """Where the embedded broker listens; beside `home` where that path is too long for the kernel."""
        socket = self.home / BROKER_SOCKET
        if len(str(socket).encode()) <= MAX_SOCKET_PATH:
            return socket
        name = hashlib.sha256(str(self.home.absolute()).encode()).hexdigest()[:16]
        return Path(tempfile.gettempdir()) / f"burnish-{os.getuid()}-{name}" / "broker.sock"

    @cached_property
    def storage(self) -> str:
        return self.storage_url or f"file://{self.home / 'storage'}"

    @property
    def cache(self) -> Path:
        """Models fetched or built once, shared by all that runs on this machine."""
        return self.home / "cache"

    @property
    def work(self) -> Path:
        """Scratch folders of running children; whatever a dead child left here may be deleted."""
        return self.home / "work"

    @property
    def uploads(self) -> Path:
        """Files on their way into the storage, each gone with the request that it is of."""
        return self.home / "uploads"

    def prepare_home(self) -> None:
        """Create the folders, closed to other users of the machine."""
        for folder in (self.home, self.broker_socket.parent, self.cache, self.work, self.uploads):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.chmod(self.home, 0o700)
