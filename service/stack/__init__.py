"""The whole service on one machine: its own Postgres and Valkey, and the processes of `lth up`."""
