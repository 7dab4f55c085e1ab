"""Connected datasets, weights and trials of rewards, caps and heartbeats of jobs, budgets, fetched rates, SSH keys,
integrations, the audit log; what is deleted is hidden
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "provider_rate",
        sa.Column("provider", sa.String(), nullable=False),
        sa.Column("gpu_type", sa.String(), nullable=False),
        sa.Column("rate_micros_per_hour", sa.BigInteger(), nullable=False),
        sa.Column("fetched_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("provider", "gpu_type", name=op.f("pk_provider_rate")),
    )
    op.create_table(
        "audit_entry",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("account_id", sa.String(), nullable=True),
        sa.Column("actor", sa.String(), nullable=False),
        sa.Column("actor_name", sa.String(), nullable=False),
        sa.Column("action", sa.String(), nullable=False),
        sa.Column("resource_id", sa.String(), nullable=True),
        sa.Column("request_id", sa.String(), nullable=True),
        sa.Column("details", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_audit_entry_account_id_account")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_entry")),
    )
    with op.batch_alter_table("audit_entry", schema=None) as batch_op:
        batch_op.create_index("ix_audit_entry_page", ["account_id", "created_at", "id"], unique=False)
        batch_op.create_index("ix_audit_entry_resource", ["account_id", "resource_id", "created_at"], unique=False)

    op.create_table(
        "budget",
        sa.Column("account_id", sa.String(), nullable=False),
        sa.Column("limit_micros", sa.BigInteger(), nullable=False),
        sa.Column("period", sa.String(), nullable=False),
        sa.Column("period_began_at", sa.BigInteger(), nullable=False),
        sa.Column("spent_micros", sa.BigInteger(), nullable=False),
        sa.Column("warned_percent", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("period IN ('month', 'total')", name=op.f("ck_budget_period")),
        sa.CheckConstraint("limit_micros >= 0", name=op.f("ck_budget_limit_not_negative")),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_budget_account_id_account")),
        sa.PrimaryKeyConstraint("account_id", name=op.f("pk_budget")),
    )
    op.create_table(
        "integration",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("account_id", sa.String(), nullable=False),
        sa.Column("provider", sa.String(), nullable=False),
        sa.Column("key_prefix", sa.String(), nullable=False),
        sa.Column("sealed_secret", sa.String(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.Column("deleted_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_integration_account_id_account")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_integration")),
    )
    with op.batch_alter_table("integration", schema=None) as batch_op:
        batch_op.create_index("uq_integration_provider", ["account_id", "provider"], unique=True)

    op.create_table(
        "ssh_key",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("account_id", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("provider", sa.String(), nullable=True),
        sa.Column("public_key", sa.String(), nullable=False),
        sa.Column("public_key_fingerprint", sa.String(), nullable=False),
        sa.Column("sealed_private_key", sa.String(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("deleted_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_ssh_key_account_id_account")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ssh_key")),
    )
    with op.batch_alter_table("ssh_key", schema=None) as batch_op:
        batch_op.create_index("ix_ssh_key_page", ["account_id", "created_at", "id"], unique=False)

    with op.batch_alter_table("account", schema=None) as batch_op:
        batch_op.add_column(sa.Column("stripe_customer_id", sa.String(), nullable=True))
        batch_op.add_column(sa.Column("credit_warning", sa.String(), nullable=True))
        batch_op.create_index("uq_account_stripe_customer_id", ["stripe_customer_id"], unique=True)

    with op.batch_alter_table("dataset", schema=None) as batch_op:
        batch_op.add_column(sa.Column("connection", sa.JSON(), nullable=True))
        batch_op.add_column(sa.Column("statistics", sa.JSON(), nullable=True))
        batch_op.add_column(sa.Column("media_prefix", sa.String(), nullable=True))
        batch_op.add_column(sa.Column("read_at", sa.BigInteger(), nullable=True))
        batch_op.add_column(sa.Column("deleted_at", sa.BigInteger(), nullable=True))
        batch_op.alter_column("size_bytes", existing_type=sa.BIGINT(), nullable=True)
        batch_op.alter_column("sha256", existing_type=sa.VARCHAR(), nullable=True)
        batch_op.alter_column("storage_key", existing_type=sa.VARCHAR(), nullable=True)

    # Every dataset of before was an upload.
    op.execute("UPDATE dataset SET read_at = created_at")
    with op.batch_alter_table("checkpoint", schema=None) as batch_op:
        batch_op.add_column(sa.Column("deleted_at", sa.BigInteger(), nullable=True))

    with op.batch_alter_table("meter", schema=None) as batch_op:
        batch_op.add_column(sa.Column("provider", sa.String(), nullable=True))
        batch_op.add_column(sa.Column("gpu_type", sa.String(), nullable=True))
        batch_op.add_column(sa.Column("gpu_count", sa.Integer(), nullable=True))
        batch_op.add_column(sa.Column("stopping_at", sa.BigInteger(), nullable=True))

    # Everything ran on own hardware before, and a resource that was placed says on which.
    part = "gpu->>'{}'" if op.get_bind().dialect.name == "postgresql" else "json_extract(gpu, '$.{}')"
    for table in ("job", "deployment"):
        mine = f"FROM {table} WHERE {table}.id = meter.resource_id"
        op.execute(
            "UPDATE meter SET provider = 'local', "
            f"gpu_type = (SELECT {part.format('type')} {mine}), "
            f"gpu_count = (SELECT CAST({part.format('count')} AS INTEGER) {mine}) "
            f"WHERE EXISTS (SELECT 1 {mine})"
        )

    with op.batch_alter_table("deployment", schema=None) as batch_op:
        batch_op.add_column(sa.Column("deleted_at", sa.BigInteger(), nullable=True))

    with op.batch_alter_table("job", schema=None) as batch_op:
        batch_op.add_column(sa.Column("destination_url", sa.String(), nullable=True))
        batch_op.add_column(sa.Column("environments", sa.JSON(), nullable=True))
        batch_op.add_column(sa.Column("resume_checkpoint_id", sa.String(), nullable=True))
        batch_op.add_column(sa.Column("max_cost_micros", sa.BigInteger(), nullable=True))
        batch_op.add_column(sa.Column("requires_heartbeat", sa.Boolean(), nullable=False, server_default=sa.false()))
        batch_op.add_column(sa.Column("heartbeat_at", sa.BigInteger(), nullable=True))
        batch_op.add_column(sa.Column("dropped_prompts", sa.Integer(), nullable=True))
        batch_op.add_column(sa.Column("first_step", sa.Integer(), nullable=False, server_default="0"))
        batch_op.add_column(sa.Column("deleted_at", sa.BigInteger(), nullable=True))

    with op.batch_alter_table("reward_function", schema=None) as batch_op:
        batch_op.add_column(sa.Column("file_name", sa.String(), nullable=False, server_default="reward.py"))
        batch_op.add_column(sa.Column("weights", sa.JSON(), nullable=True))
        batch_op.add_column(sa.Column("trial", sa.JSON(), nullable=True))
        batch_op.add_column(sa.Column("deleted_at", sa.BigInteger(), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("reward_function", schema=None) as batch_op:
        batch_op.drop_column("deleted_at")
        batch_op.drop_column("trial")
        batch_op.drop_column("weights")
        batch_op.drop_column("file_name")

    with op.batch_alter_table("job", schema=None) as batch_op:
        batch_op.drop_column("deleted_at")
        batch_op.drop_column("first_step")
        batch_op.drop_column("dropped_prompts")
        batch_op.drop_column("heartbeat_at")
        batch_op.drop_column("requires_heartbeat")
        batch_op.drop_column("max_cost_micros")
        batch_op.drop_column("resume_checkpoint_id")
        batch_op.drop_column("environments")
        batch_op.drop_column("destination_url")

    with op.batch_alter_table("deployment", schema=None) as batch_op:
        batch_op.drop_column("deleted_at")

    with op.batch_alter_table("meter", schema=None) as batch_op:
        batch_op.drop_column("stopping_at")
        batch_op.drop_column("gpu_count")
        batch_op.drop_column("gpu_type")
        batch_op.drop_column("provider")

    with op.batch_alter_table("checkpoint", schema=None) as batch_op:
        batch_op.drop_column("deleted_at")

    # What was connected and never read cannot be told in the columns of before.
    op.execute("DELETE FROM dataset WHERE read_at IS NULL")

    with op.batch_alter_table("dataset", schema=None) as batch_op:
        batch_op.alter_column("storage_key", existing_type=sa.VARCHAR(), nullable=False)
        batch_op.alter_column("sha256", existing_type=sa.VARCHAR(), nullable=False)
        batch_op.alter_column("size_bytes", existing_type=sa.BIGINT(), nullable=False)
        batch_op.drop_column("deleted_at")
        batch_op.drop_column("read_at")
        batch_op.drop_column("media_prefix")
        batch_op.drop_column("statistics")
        batch_op.drop_column("connection")

    with op.batch_alter_table("account", schema=None) as batch_op:
        batch_op.drop_index("uq_account_stripe_customer_id")
        batch_op.drop_column("credit_warning")
        batch_op.drop_column("stripe_customer_id")

    with op.batch_alter_table("ssh_key", schema=None) as batch_op:
        batch_op.drop_index("ix_ssh_key_page")

    op.drop_table("ssh_key")
    with op.batch_alter_table("integration", schema=None) as batch_op:
        batch_op.drop_index("uq_integration_provider")

    op.drop_table("integration")
    op.drop_table("budget")
    with op.batch_alter_table("audit_entry", schema=None) as batch_op:
        batch_op.drop_index("ix_audit_entry_resource")
        batch_op.drop_index("ix_audit_entry_page")

    op.drop_table("audit_entry")
    op.drop_table("provider_rate")
