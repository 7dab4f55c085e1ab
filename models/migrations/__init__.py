"""The one history of the schema, for SQLite and Postgres alike."""

from pathlib import Path

from alembic import command
from alembic.config import Config

FOLDER = Path(__file__).parent


def config(url: str) -> Config:
    made = Config()
    made.set_main_option("script_location", str(FOLDER))
    made.set_main_option("path_separator", "os")
    made.attributes["url"] = url
    return made


def upgrade(url: str) -> None:
    """Bring the database at `url` to the newest schema. Runs an event loop of its own: call it from a thread without one."""
    command.upgrade(config(url), "head")
