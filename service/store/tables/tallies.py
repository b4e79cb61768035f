"""What runs of all time come to, without reading them."""

from decimal import Decimal

from sqlalchemy import BigInteger, Identity, Numeric
from sqlalchemy.orm import Mapped, mapped_column

from service.store.states import Reason, RunState
from service.store.tables.base import Table, words


class RunTally(Table):
    """A change of how many ended runs there are, and of how long runs took: the sum counts.

    Triggers, which the migration 0007 made, add a row for each run that ends, is retried or is
    deleted, so that no end waits for another; now and then the rows are summed up.
    """

    __tablename__ = "run_tallies"

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    state: Mapped[RunState] = mapped_column(words(RunState))
    failure_reason: Mapped[Reason | None] = mapped_column(words(Reason))
    number: Mapped[int] = mapped_column(BigInteger)
    """Runs that are there in that state, more or less; 0 unless it is an end."""
    seconds: Mapped[Decimal] = mapped_column(Numeric, default=Decimal(0), server_default="0")
    """On devices, and never less: a run that is retried or deleted took its time all the same. A
    decimal number, as the sum of floats would depend on their order."""
