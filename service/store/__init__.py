"""The store: Postgres and the object store, and all statements that use them.

Repositories are modules of functions that take a `Session`. They never commit. Their caller (a
request or a task) opens the transaction: ``with database.transaction() as session: ...``.
"""
