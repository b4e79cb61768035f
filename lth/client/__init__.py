"""A typed client of the service, for scripts and notebooks.

    with Client() as client:
        job = client.submit({"kind": "model", "dataset": "digits"})
        job = client.wait(job.id)
        for file in client.artifacts(job.id):
            client.download(file, Path("results"))

`AsyncClient` has the same methods as coroutines. Both send the requests of `lth.client.requests`
and raise the errors of `lth.client.errors`.
"""

from lth.client._async.client import AsyncClient
from lth.client._sync.client import Client
from lth.client.models import (
    Artifact,
    Event,
    Failure,
    Job,
    JobPage,
    NamedDataset,
    Results,
    Run,
    StoredDataset,
)

__all__ = [
    "Artifact",
    "AsyncClient",
    "Client",
    "Event",
    "Failure",
    "Job",
    "JobPage",
    "NamedDataset",
    "Results",
    "Run",
    "StoredDataset",
]
