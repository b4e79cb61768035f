"""The processes of a worker: Celery's parent, its idle children, and the loop between runs."""
