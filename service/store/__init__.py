"""The store: what Postgres and the object storage hold, and every statement that touches it.

Repositories are modules of functions that take a `Session`; they never commit. Whoever opened the
transaction (a request, a task) does: ``with database.transaction() as session: ...``.
"""
