"""Users with passwords, sessions of browsers beside API keys, links that sign in once"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "account_user",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("account_id", sa.String(), nullable=False),
        sa.Column("email", sa.String(), nullable=True),
        sa.Column("password_hash", sa.String(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_account_user_account_id_account")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_account_user")),
        sa.UniqueConstraint("account_id", name=op.f("uq_account_user_account_id")),
        sa.UniqueConstraint("email", name=op.f("uq_account_user_email")),
    )
    op.create_table(
        "sign_in_link",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("account_id", sa.String(), nullable=False),
        sa.Column("token_hash", sa.String(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("used_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_sign_in_link_account_id_account")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sign_in_link")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_sign_in_link_token_hash")),
    )
    with op.batch_alter_table("sign_in_link", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_sign_in_link_account_id"), ["account_id"], unique=False)

    with op.batch_alter_table("api_key", schema=None) as batch_op:
        batch_op.add_column(sa.Column("kind", sa.String(), nullable=False, server_default="key"))
        batch_op.add_column(sa.Column("parent_id", sa.String(), nullable=True))
        batch_op.add_column(sa.Column("signed_in_with", sa.String(), nullable=True))
        batch_op.add_column(sa.Column("user_agent", sa.String(), nullable=True))
        batch_op.create_check_constraint(batch_op.f("ck_api_key_kind"), "kind IN ('key', 'session')")
        batch_op.create_foreign_key(batch_op.f("fk_api_key_parent_id_api_key"), "api_key", ["parent_id"], ["id"])
        batch_op.create_index("ix_api_key_parent_id", ["parent_id"], unique=False)


def downgrade() -> None:
    # What was a session would otherwise be taken as a key.
    op.execute("DELETE FROM api_key WHERE kind <> 'key'")
    with op.batch_alter_table("api_key", schema=None) as batch_op:
        batch_op.drop_index("ix_api_key_parent_id")
        batch_op.drop_constraint(batch_op.f("fk_api_key_parent_id_api_key"), type_="foreignkey")
        batch_op.drop_constraint(batch_op.f("ck_api_key_kind"), type_="check")
        batch_op.drop_column("user_agent")
        batch_op.drop_column("signed_in_with")
        batch_op.drop_column("parent_id")
        batch_op.drop_column("kind")

    op.drop_table("sign_in_link")
    op.drop_table("account_user")
