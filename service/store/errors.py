"""What the store refuses, and why.

StoreError
├── NotThere              no such row, or not for this owner
├── BadCursor             a cursor that this store did not make
├── IdempotencyMismatch   the same idempotency key came with another body
├── QuotaExceeded         an owner has as much as they may have
├── NotInThatState        the job or run cannot do that any more (or yet)
├── InUse                 it cannot be deleted while something refers to it
└── LeaseLost             the run belongs to another attempt by now
"""


class StoreError(Exception):
    """Base of the store's refusals; the message says what would be right."""


class NotThere(StoreError):
    """There is no such thing, or it belongs to another owner."""


class BadCursor(StoreError, ValueError):
    """A page was asked for with a cursor that is none."""


class IdempotencyMismatch(StoreError):
    """An idempotency key was used before, for another request."""


class QuotaExceeded(StoreError):
    """An owner has reached a bound that an administrator set."""


class NotInThatState(StoreError):
    """The state machine has no such transition."""


class InUse(StoreError):
    """Something still refers to it."""


class LeaseLost(StoreError):
    """A write came with an attempt that is no longer the run's; the writer must give up."""
