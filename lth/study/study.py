"""What can be asked of results alike, be they of one experiment, of a session or of trials."""

from abc import ABC, abstractmethod

from matplotlib.figure import Figure

from lth.plots import accuracy_by_density, compare_learning, supermask_by_density
from lth.results.records import Record, records
from lth.results.schemas import RunResult


class Study(ABC):
    """Results as rows and as pictures: what model, session and robust study have in common."""

    @property
    @abstractmethod
    def results(self) -> tuple[RunResult, ...]:
        """What is known of every experiment that has trained."""

    @property
    @abstractmethod
    def classes(self) -> int:
        """Of the data."""

    @property
    def controls(self) -> dict[str, str]:
        """The ticket that each control follows, by the control's name."""
        return {}

    def records(self) -> list[Record]:
        """What is known as plain data: one row a trial, experiment and finished level.

        Example:
            >>> pandas.DataFrame(robust.records()).groupby(["experiment", "level"]).mean()
        """
        return records(self.results)

    def plot_learning(self, title: str = "") -> Figure:
        """The experiments' learning curves at their last level, beside the dense network's.

        Of several trials: their mean, with 95 % bands.
        """
        return compare_learning(self.results, title=title)

    def plot_sparsity(self, title: str = "") -> Figure:
        """Accuracy and early-stop iteration against density, with bars over the trials."""
        return accuracy_by_density(self.results, controls=self.controls, title=title)

    def plot_supermask(self, title: str = "") -> Figure:
        """Accuracy of the masked networks before any training, against density."""
        return supermask_by_density(
            self.results, classes=self.classes, controls=self.controls, title=title
        )
