"""What the papers do with a network, for a spec or a notebook that does not say otherwise.

Reference: Frankle & Carbin 2019, arXiv:1803.03635, figure 2.
"""

from dataclasses import dataclass

from lth.pruning.methods import Pruning
from lth.pruning.scopes import LayerScope
from lth.training.optimizers import Adam
from lth.training.settings import Training


@dataclass(frozen=True, slots=True)
class Papers:
    """The papers' figures for one network; each is a default, for where nothing else is asked for.

    Attributes:
        learning_rate: of Adam.
        convolution_rate: multiple of the schedule's fraction at which convolutions are pruned.
    """

    learning_rate: float = 1.2e-3
    convolution_rate: float = 0.5

    def training(self, asked: Training) -> Training:
        """The training that is asked for; without an optimizer, with the papers' Adam."""
        if "optimizer" in asked.model_fields_set:
            return asked
        adam = Adam(kind="adam", learning_rate=self.learning_rate)
        return asked.model_copy(update={"optimizer": adam})

    def pruning(self, asked: Pruning) -> Pruning:
        """The pruning that is asked for; layer by layer, convolutions at the papers' rate."""
        scope = asked.scope
        if not isinstance(scope, LayerScope) or "convolution" in scope.model_fields_set:
            return asked
        own = scope.model_copy(update={"convolution": self.convolution_rate})
        return asked.model_copy(update={"scope": own})
