"""Counts of runs of all time, without reading the runs."""

from decimal import Decimal

from sqlalchemy import BigInteger, Identity, Numeric
from sqlalchemy.orm import Mapped, mapped_column

from service.store.states import Reason, RunState
from service.store.tables.base import Table, words


class RunTally(Table):
    """A change of the number of ended runs and of their device time; the sum over rows counts.

    Triggers of migration 0007 add a row for each run that ends, is retried or is deleted, so that
    no end waits for another. The housekeeping sums up the rows.
    """

    __tablename__ = "run_tallies"

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    state: Mapped[RunState] = mapped_column(words(RunState))
    failure_reason: Mapped[Reason | None] = mapped_column(words(Reason))
    number: Mapped[int] = mapped_column(BigInteger)
    """Change of the number of runs in that state; 0 unless it is an end state."""
    seconds: Mapped[Decimal] = mapped_column(Numeric, default=Decimal(0), server_default="0")
    """Device seconds; never negative, because retried and deleted runs took their time too.

    Decimal, because
    sums of floats depend on their order.
    """
