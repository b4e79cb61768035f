"""The errors of the store.

StoreError
├── NotThere              no such row, or it is not visible
├── BadCursor             a cursor that this list did not create
├── IdempotencyMismatch   the idempotency key was used with another body
├── QuotaExceeded         the quota of the owner is exceeded
├── NotInThatState        the state of the job or run does not allow it
├── InUse                 it cannot be deleted while something refers to it
└── LeaseLost             the run belongs to another attempt
"""


class StoreError(Exception):
    """Base of the store's errors; the message says what would be right."""


class NotThere(StoreError):
    """It does not exist, or is not visible."""


class BadCursor(StoreError, ValueError):
    """The cursor does not belong to this list."""


class IdempotencyMismatch(StoreError):
    """The idempotency key was used for another request."""


class QuotaExceeded(StoreError):
    """The owner has reached a quota that an administrator set."""


class NotInThatState(StoreError):
    """The state does not allow this transition."""


class InUse(StoreError):
    """Something refers to it."""


class LeaseLost(StoreError):
    """The run belongs to another attempt; the writer must give up."""
