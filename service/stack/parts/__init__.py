"""The parts of a local stack: Postgres, Valkey, and the service's own processes."""
