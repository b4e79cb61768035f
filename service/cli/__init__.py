"""The command line ``lth``. Importing it needs the base install alone."""
