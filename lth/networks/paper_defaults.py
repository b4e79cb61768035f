"""Defaults that the papers use for a network, if a spec or a notebook does not choose otherwise.

Reference: Frankle & Carbin 2019, arXiv:1803.03635, figure 2.
"""

from dataclasses import dataclass

from lth.pruning.methods import Pruning
from lth.pruning.scopes import LayerScope
from lth.training.optimizers import Adam
from lth.training.settings import Training


@dataclass(frozen=True, slots=True)
class Papers:
    """The papers' defaults for one network.

    Attributes:
        learning_rate: learning rate of Adam.
        convolution_rate: pruning rate of convolutions, as a multiple of the schedule's fraction.
    """

    learning_rate: float = 1.2e-3
    convolution_rate: float = 0.5

    def training(self, asked: Training) -> Training:
        """The training settings, with the papers' Adam if no optimizer is given."""
        if "optimizer" in asked.model_fields_set:
            return asked
        adam = Adam(kind="adam", learning_rate=self.learning_rate)
        return asked.model_copy(update={"optimizer": adam})

    def pruning(self, asked: Pruning) -> Pruning:
        """The pruning settings, with the papers' rate for convolutions under a layer scope."""
        scope = asked.scope
        if not isinstance(scope, LayerScope) or "convolution" in scope.model_fields_set:
            return asked
        own = scope.model_copy(update={"convolution": self.convolution_rate})
        return asked.model_copy(update={"scope": own})


def papers_of(network: object) -> Papers:
    """The papers' defaults for a network; one that is not from a paper has the usual ones."""
    found = getattr(network, "papers", None)
    return found if isinstance(found, Papers) else Papers()
