"""Results of runs as plain data: schemas, statistics, records, tables, and artifact names."""
