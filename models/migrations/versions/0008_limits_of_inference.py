"""Limits of inference that an API key has for itself"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("api_key", schema=None) as batch_op:
        batch_op.add_column(sa.Column("inference_requests_per_minute", sa.Integer(), nullable=True))
        batch_op.add_column(sa.Column("inference_tokens_per_minute", sa.Integer(), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("api_key", schema=None) as batch_op:
        batch_op.drop_column("inference_tokens_per_minute")
        batch_op.drop_column("inference_requests_per_minute")
