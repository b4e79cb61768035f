"""The tables, by subject; `Table.metadata` holds all of them."""

from service.store.tables.access import (
    ApiKey,
    AuditEntry,
    IdempotentRequest,
    Owner,
    Role,
    Team,
    TeamMember,
)
from service.store.tables.base import Table
from service.store.tables.blobs import BlobDoubt, ServiceIdentity, StoredBlob, StoredDataset
from service.store.tables.jobs import Artifact, Event, Job, Result, Run, RunNeed, Trunk
from service.store.tables.tallies import RunTally
from service.store.tables.webhooks import Webhook
from service.store.tables.workers import ServedPool, Worker, WorkerState

__all__ = [
    "ApiKey",
    "Artifact",
    "AuditEntry",
    "BlobDoubt",
    "Event",
    "IdempotentRequest",
    "Job",
    "Owner",
    "Result",
    "Role",
    "Run",
    "RunNeed",
    "RunTally",
    "ServedPool",
    "ServiceIdentity",
    "StoredBlob",
    "StoredDataset",
    "Table",
    "Team",
    "TeamMember",
    "Trunk",
    "Webhook",
    "Worker",
    "WorkerState",
]
