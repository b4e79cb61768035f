"""What experiments, sessions and studies share: results as rows and as plots."""

from abc import ABC, abstractmethod

from matplotlib.figure import Figure

from lth.plots import accuracy_by_density, compare_learning, supermask_by_density
from lth.results.records import Record, records
from lth.results.schemas import RunResult
from lth.study.display import results_html


class Study(ABC):
    """Base of LotteryModel, LotterySession and LotteryRobust: results as rows and as plots."""

    @property
    @abstractmethod
    def results(self) -> tuple[RunResult, ...]:
        """The results of all experiments that have trained."""

    @property
    @abstractmethod
    def classes(self) -> int:
        """Number of classes of the data."""

    @property
    def controls(self) -> dict[str, str]:
        """The name of the ticket that each control follows, by the name of the control."""
        return {}

    def _repr_html_(self) -> str:
        """The representation in a notebook: a table of all finished levels."""
        return results_html(repr(self), self.results)

    def records(self) -> list[Record]:
        """The results as plain data: one row for each trial, experiment and finished level.

        Examples:
            >>> pandas.DataFrame(robust.records()).groupby(["experiment", "level"]).mean()
        """
        return records(self.results)

    def plot_learning(self, title: str = "") -> Figure:
        """Plot the learning curves of each experiment at its last level, and of the dense network.

        With several trials, the plot shows means and 95 % intervals.
        """
        return compare_learning(self.results, title=title)

    def plot_sparsity(self, title: str = "") -> Figure:
        """Plot accuracy and early-stop iteration against density, with error bars."""
        return accuracy_by_density(self.results, controls=self.controls, title=title)

    def plot_supermask(self, title: str = "") -> Figure:
        """Plot the accuracy of the masked networks before any training against density."""
        return supermask_by_density(
            self.results, classes=self.classes, controls=self.controls, title=title
        )
