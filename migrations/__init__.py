"""The history of the tables, one file a step; `service.store.migrate` applies it."""
