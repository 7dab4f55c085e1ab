"""What trainings take of memory, the score of held-out rows, and the checksums of checkpoints"""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("job") as batch:
        batch.add_column(sa.Column("memory_estimate", sa.JSON(), nullable=True))
        batch.add_column(sa.Column("peak_memory_bytes", sa.BigInteger(), nullable=True))
        batch.add_column(sa.Column("best_step", sa.Integer(), nullable=True))
    with op.batch_alter_table("checkpoint") as batch:
        batch.add_column(sa.Column("score", sa.Float(), nullable=True))
        batch.add_column(sa.Column("checksums", sa.JSON(), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("checkpoint") as batch:
        batch.drop_column("checksums")
        batch.drop_column("score")
    with op.batch_alter_table("job") as batch:
        batch.drop_column("best_step")
        batch.drop_column("peak_memory_bytes")
        batch.drop_column("memory_estimate")
