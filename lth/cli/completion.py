"""Completes ids and names of jobs in the shell."""

import re
from collections import Counter

import typer

from lth.client import Client, Job, requests
from lth.client.requests import LARGEST_PAGE
from lth.client.retries import Retries

_FEW = 20
"""The jobs that are offered if no letter is typed."""
_SECONDS = 2.0
_ONE_WORD = re.compile(r"[\w.-]+")
"""Names that every shell takes without quotes."""
_SPECIAL = re.compile(r"[^\w .-]+")
"""Characters of names that are not shown, because zsh evaluates what it shows."""


def complete_job(context: typer.Context, incomplete: str) -> list[tuple[str, str]]:
    """The ids and unique names of the newest jobs that begin with a text, each with a description.

    An older job is found by the beginning of its id. The list is empty if the service does not
    answer quickly: a shell must not wait, and must show no error.
    """
    options = context.find_root().params
    try:
        with Client(
            options.get("server"),
            options.get("key"),
            retries=Retries(attempts=1),
            timeout=_SECONDS,
        ) as client:
            if not incomplete:
                return [_described(job) for job in client.jobs(limit=_FEW)]
            found = _matching(client.send(requests.job_page(limit=LARGEST_PAGE)).jobs, incomplete)
            return found or [_described(client.job(incomplete))]
    except Exception:
        return []


def _matching(jobs: list[Job], incomplete: str) -> list[tuple[str, str]]:
    times = Counter(job.name for job in jobs if _ONE_WORD.fullmatch(job.name))
    named = [
        (job.name, f"{job.state} {job.id}")
        for job in jobs
        if job.name.startswith(incomplete) and times[job.name] == 1
    ]
    return [*named, *(_described(job) for job in jobs if job.id.startswith(incomplete))]


def _described(job: Job) -> tuple[str, str]:
    words = _SPECIAL.sub(" ", job.name).split()
    return job.id, " ".join([job.state, *words])
