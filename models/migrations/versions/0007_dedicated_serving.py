"""Replicas that are leased, versions of deployments, scaling, adapters of checkpoints, hosts that drain, completions to be
fetched later
"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

LIVE = "ended_at IS NULL"


def upgrade() -> None:
    op.create_table(
        "async_completion",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("account_id", sa.String(), nullable=False),
        sa.Column("deployment_id", sa.String(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("result", sa.Text(), nullable=True),
        sa.Column("error", sa.String(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("deadline_at", sa.BigInteger(), nullable=False),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.CheckConstraint("status IN ('pending', 'completed', 'failed')", name=op.f("ck_async_completion_status")),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_async_completion_account_id_account")),
        sa.ForeignKeyConstraint(["deployment_id"], ["deployment.id"], name=op.f("fk_async_completion_deployment_id_deployment")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_async_completion")),
    )
    op.create_index("ix_async_completion_created", "async_completion", ["created_at"])
    op.create_table(
        "deployment_version",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("account_id", sa.String(), nullable=False),
        sa.Column("deployment_id", sa.String(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("model", sa.String(), nullable=False),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("checkpoint_id", sa.String(), nullable=True),
        sa.Column("revision", sa.String(), nullable=True),
        sa.Column("error", sa.String(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("serving_at", sa.BigInteger(), nullable=True),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.CheckConstraint("status IN ('pending', 'serving', 'replaced', 'failed')", name=op.f("ck_deployment_version_status")),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_deployment_version_account_id_account")),
        sa.ForeignKeyConstraint(
            ["checkpoint_id"], ["checkpoint.id"], name=op.f("fk_deployment_version_checkpoint_id_checkpoint")
        ),
        sa.ForeignKeyConstraint(
            ["deployment_id"], ["deployment.id"], name=op.f("fk_deployment_version_deployment_id_deployment")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_deployment_version")),
    )
    op.create_index("uq_deployment_version_number", "deployment_version", ["deployment_id", "number"], unique=True)
    with op.batch_alter_table("deployment", schema=None) as batch_op:
        for name in ("min_replicas", "max_replicas", "desired_replicas", "version"):
            batch_op.add_column(sa.Column(name, sa.Integer(), nullable=False, server_default="1"))
        batch_op.add_column(sa.Column("target_rps", sa.Float(), nullable=False, server_default="10"))
        batch_op.add_column(sa.Column("target_latency_p95_ms", sa.Float(), nullable=False, server_default="5000"))
        batch_op.add_column(sa.Column("stabilisation_window_s", sa.Integer(), nullable=False, server_default="300"))
        batch_op.add_column(sa.Column("max_batch_size", sa.Integer(), nullable=True))
        batch_op.add_column(sa.Column("extra_args", sa.JSON(), nullable=False, server_default="[]"))
        for name in ("sealed_hf_token", "engine", "engine_reason", "upstream_url", "upstream_model", "sealed_upstream_key"):
            batch_op.add_column(sa.Column(name, sa.String(), nullable=True))
        for name in ("model_requested", "revision_requested"):
            batch_op.add_column(sa.Column(name, sa.String(), nullable=True))
        for name in ("paused_at", "wake_requested_at"):
            batch_op.add_column(sa.Column(name, sa.BigInteger(), nullable=True))
    _replicas()
    with op.batch_alter_table("inference_request", schema=None) as batch_op:
        batch_op.add_column(sa.Column("replica_id", sa.String(), nullable=True))
    with op.batch_alter_table("checkpoint", schema=None) as batch_op:
        batch_op.add_column(sa.Column("adapter_rank", sa.Integer(), nullable=True))
    with op.batch_alter_table("host", schema=None) as batch_op:
        batch_op.add_column(sa.Column("draining_at", sa.BigInteger(), nullable=True))
    op.execute("UPDATE deployment SET model_requested = model, revision_requested = revision")
    # What a deployment has served until now is its first version.
    op.execute(
        "INSERT INTO deployment_version (id, account_id, deployment_id, number, status, model, source, checkpoint_id, revision,"
        " created_at, serving_at, ended_at) SELECT 'dver_' || substr(id, 5), account_id, id, 1,"
        " CASE WHEN serving_since IS NULL THEN 'pending' ELSE 'serving' END, model, source, checkpoint_id, revision,"
        " created_at, serving_since, stopped_at FROM deployment"
    )


def _replicas() -> None:
    with op.batch_alter_table("replica", schema=None) as batch_op:
        for name in (
            "account_id", "provider_requested", "engine", "served_name", "swap_error", "stop_reason", "fail_code", "lease_holder",
        ):  # fmt: skip
            batch_op.add_column(sa.Column(name, sa.String(), nullable=True))
        for name in ("gpu_requested", "gpu", "parity"):
            batch_op.add_column(sa.Column(name, sa.JSON(), nullable=True))
        for name in ("rate_micros_per_hour", "stop_requested_at", "ready_at", "lease_expires_at", "lease_renewed_at"):
            batch_op.add_column(sa.Column(name, sa.BigInteger(), nullable=True))
        for name in ("swap_version", "swap_refused"):
            batch_op.add_column(sa.Column(name, sa.Integer(), nullable=True))
        batch_op.add_column(sa.Column("lease_token", sa.BigInteger(), nullable=False, server_default="0"))
        batch_op.add_column(sa.Column("version", sa.Integer(), nullable=False, server_default="1"))
        batch_op.add_column(sa.Column("attempt", sa.Integer(), nullable=False, server_default="0"))
        batch_op.alter_column("host_id", existing_type=sa.String(), nullable=True)
        batch_op.alter_column("url", existing_type=sa.String(), nullable=True)
    # Hosts are stopped for an upgrade, and what they ran with them.
    op.execute(f"UPDATE replica SET status = 'failed', fail_reason = 'its host is gone', ended_at = created_at WHERE {LIVE}")
    its = "FROM deployment WHERE deployment.id = replica.deployment_id"
    op.execute(
        f"UPDATE replica SET account_id = (SELECT account_id {its}), gpu_requested = (SELECT gpu_requested {its}),"
        " ready_at = CASE WHEN last_health_at IS NULL THEN NULL ELSE created_at END"
    )
    with op.batch_alter_table("replica", schema=None) as batch_op:
        batch_op.alter_column("account_id", existing_type=sa.String(), nullable=False)
        batch_op.alter_column("gpu_requested", existing_type=sa.JSON(), nullable=False)
        batch_op.create_foreign_key(batch_op.f("fk_replica_account_id_account"), "account", ["account_id"], ["id"])
        batch_op.create_index("ix_replica_status", ["status", "lease_expires_at"], unique=False)


def downgrade() -> None:
    op.execute("DELETE FROM replica WHERE url IS NULL OR host_id IS NULL")
    with op.batch_alter_table("replica", schema=None) as batch_op:
        batch_op.drop_index("ix_replica_status")
        batch_op.drop_constraint(batch_op.f("fk_replica_account_id_account"), type_="foreignkey")
        batch_op.alter_column("host_id", existing_type=sa.String(), nullable=False)
        batch_op.alter_column("url", existing_type=sa.String(), nullable=False)
        for name in (
            "account_id", "provider_requested", "engine", "stop_reason", "lease_holder", "gpu_requested", "gpu", "parity",
            "rate_micros_per_hour", "stop_requested_at", "ready_at", "lease_expires_at", "lease_renewed_at", "lease_token",
            "version", "attempt", "served_name", "fail_code", "swap_version", "swap_refused",
            "swap_error",
        ):  # fmt: skip
            batch_op.drop_column(name)
    with op.batch_alter_table("host", schema=None) as batch_op:
        batch_op.drop_column("draining_at")
    with op.batch_alter_table("checkpoint", schema=None) as batch_op:
        batch_op.drop_column("adapter_rank")
    with op.batch_alter_table("inference_request", schema=None) as batch_op:
        batch_op.drop_column("replica_id")
    with op.batch_alter_table("deployment", schema=None) as batch_op:
        for name in (
            "min_replicas", "max_replicas", "desired_replicas", "version", "target_rps", "target_latency_p95_ms",
            "stabilisation_window_s", "max_batch_size", "extra_args", "sealed_hf_token", "engine", "engine_reason",
            "upstream_url", "upstream_model", "sealed_upstream_key", "paused_at", "wake_requested_at",
            "model_requested", "revision_requested",
        ):  # fmt: skip
            batch_op.drop_column(name)
    op.drop_table("deployment_version")
    op.drop_table("async_completion")
