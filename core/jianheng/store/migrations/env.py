"""Alembic's entry: always over a connection the store hands in; there is no ini file."""

from alembic import context

from jianheng.store.tables import METADATA

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=METADATA,
    render_as_batch=True,
    compare_type=True,
)
with context.begin_transaction():
    context.run_migrations()
