"""The local stack: Postgres, Valkey and all processes of the service on one machine."""
