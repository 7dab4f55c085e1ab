"""What ended before there were them: the streams `requests` and `stats` of ended deployments are marked as ended, so that whoever
follows one is told so.
"""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        INSERT INTO stream_head (resource_id, kind, last_seq, end_reason)
        SELECT ended.resource_id, added.kind, 0, ended.end_reason
        FROM stream_head AS ended
        JOIN deployment ON deployment.id = ended.resource_id
        CROSS JOIN (SELECT 'requests' AS kind UNION ALL SELECT 'stats' AS kind) AS added
        WHERE ended.kind = 'logs' AND ended.end_reason IS NOT NULL
        ON CONFLICT (resource_id, kind) DO NOTHING
        """
    )


def downgrade() -> None:
    # Marks of streams that nothing reads any more.
    pass
