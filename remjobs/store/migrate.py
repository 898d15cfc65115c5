"""Bring a catalogue to the schema of this version (Alembic)."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Connection, inspect, text

from remjobs.errors import StoreDamaged

__all__ = ["HEAD", "migrate", "revision"]

HEAD: Final = "0008"
"""The newest revision in migrations/versions."""


def revision(connection: Connection) -> str | None:
    """Return the revision a catalogue is at; None for an empty one."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    found = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    return None if found is None else str(found)


def migrate(connection: Connection) -> None:
    """Run the migrations that a catalogue lacks, in the transaction of ``connection``.

    Raises:
        StoreDamaged: It was written by a newer version.
    """
    found = revision(connection)
    if found == HEAD:
        return
    if found is not None and found > HEAD:
        msg = (
            f"the job store is of a newer remjobs (schema {found}, this one knows {HEAD}): "
            "use that version, or another REMJOBS_HOME"
        )
        raise StoreDamaged(msg)
    # Alembic takes longer to import than all else here, and is needed once a version.
    from alembic import command  # noqa: PLC0415
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", "remjobs.store:migrations")
    config.attributes["connection"] = connection
    command.upgrade(config, HEAD)
