"""A typed client of the service, for scripts and notebooks.

    with Client() as client:
        job = client.submit({"kind": "model", "dataset": "digits"})
        job = client.wait(job.id)
        for file in client.artifacts(job.id):
            client.download(file, Path("results"))

`Client` and `AsyncClient` say the same requests (`lth.client.requests`), one in plain calls,
the other in coroutines. Errors are in `lth.client.errors`.
"""

from lth.client.asynchronous import AsyncClient
from lth.client.models import Artifact, Event, Failure, Job, JobPage, Results, Run
from lth.client.synchronous import Client

__all__ = [
    "Artifact",
    "AsyncClient",
    "Client",
    "Event",
    "Failure",
    "Job",
    "JobPage",
    "Results",
    "Run",
]
