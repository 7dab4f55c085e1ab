"""Indices of filtered pages"""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

INDICES = {
    "ix_api_key_page": ("api_key", ["account_id", "created_at", "id"]),
    "ix_checkpoint_page": ("checkpoint", ["account_id", "created_at", "id"]),
    "ix_deployment_page_model": ("deployment", ["account_id", "model", "created_at", "id"]),
    "ix_deployment_page_status": ("deployment", ["account_id", "status", "created_at", "id"]),
    "ix_job_page_base_model": ("job", ["account_id", "base_model", "created_at", "id"]),
    "ix_job_page_dataset": ("job", ["dataset_id", "created_at", "id"]),
    "ix_job_page_reward_function": ("job", ["reward_function_id", "created_at", "id"]),
    "ix_job_page_status": ("job", ["account_id", "status", "created_at", "id"]),
}


def upgrade() -> None:
    for name, (table, columns) in INDICES.items():
        op.create_index(name, table, columns)
    # The index of the pages begins with the account.
    op.drop_index("ix_api_key_account_id", "api_key")


def downgrade() -> None:
    op.create_index("ix_api_key_account_id", "api_key", ["account_id"])
    for name, (table, _) in INDICES.items():
        op.drop_index(name, table)
