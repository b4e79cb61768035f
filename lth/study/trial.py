"""One trial: what `LotteryModel` and `LotterySession` have in common."""

from collections.abc import Collection, Sequence
from typing import Any, Self

from lth.core.durations import Duration, Point
from lth.core.field_errors import valid, whole
from lth.engine.existing_state import InitialWeights
from lth.experiment.context import Context
from lth.training.settings import Training


class OneTrial:
    """A network, its data and its training with one seed.

    Attributes:
        context: network, data, training and seed.
        trial: number of the trial, from 1.
    """

    context: Context
    trial: int
    _rewind_points: frozenset[int]

    def __init__(
        self,
        network: Any,
        dataset: Any = "digits",
        training: Training | None = None,
        *,
        seed: int = 0,
        trial: int = 1,
        keep_weights_at: str | Sequence[str] = (),
        output_layer: str | None = None,
        initial_weights: InitialWeights | None = None,
    ) -> None:
        """Create the trial with the initial weights that follow from `seed` and `trial`.

        Args:
            network: an unbuilt `keras.Sequential` of lottery layers and other Keras layers, whose
                last layer gives one logit for each class; or a name such as "lenet-300-100"; or a
                member of `lth.networks.Network`. Frozen layers (`trainable = False`) keep their
                weights and stay frozen.
            dataset: an `ArrayDataset` of your own arrays; or a name such as "digits" or "mnist"; or
                a member of `lth.datasets.Dataset`. The files of named data sets are ``NAME.npz`` in
                the directory ``LTH_DATASETS_DIR``, or in the cache of Keras.
            training: optimizer, batch size and duration of each level; also as a dictionary.
            seed: all random numbers follow from it and from `trial`.
            trial: number of the trial, from 1; its seed is spawned from `seed`.
            keep_weights_at: points of level 0, such as "500it", whose weights are kept for later
                resets. Whole experiments keep the points that their own reset needs.
            output_layer: name of the output layer, which has its own pruning rate; by default the
                last layer that has a kernel.
            initial_weights: what becomes of the trainable weights of a network that is already
                built: "given" starts every trial from them, "redraw" draws new ones in each trial.
                An unbuilt network does not need it.

        Raises:
            NothingToPrune: if the network has no lottery layer.
            DatasetMissing: if the data set is not available.
            SpecError: if the network does not fit the data, or if it is built and
                `initial_weights` is not given.
        """
        seed, trial = whole(seed, "seed", 0), whole(trial, "trial", 1)
        context = Context.of_network(
            network, dataset, training, seed, trial, output_layer, initial_weights
        )
        # Not isinstance: a Duration is one point, and a tuple.
        several = type(keep_weights_at) in (list, tuple)
        asked = list(keep_weights_at) if several else [keep_weights_at]
        points: list[Duration] = valid(list[Point], asked, "keep_weights_at")
        for point in points:
            context.training.check_point(point, len(context.data.train))
        steps = context.steps_per_epoch
        self._begin(context, trial, [point.iterations(steps) for point in points])

    def __repr__(self) -> str:
        blueprint = self.context.blueprint
        layers = " - ".join(layer["config"]["name"] for layer in blueprint.layers)
        return f"{type(self).__name__}({layers}; trial {self.trial})"

    @property
    def classes(self) -> int:
        """Number of classes of the data."""
        return self.context.data.classes

    @classmethod
    def under(cls, context: Context, trial: int = 1, rewind_points: Collection[int] = ()) -> Self:
        """Create the trial in an existing context.

        Args:
            context: network, data, training and seed.
            trial: number of the trial, from 1.
            rewind_points: steps of level 0 whose weights are kept for late resets.
        """
        begun = cls.__new__(cls)
        begun._begin(context, trial, rewind_points)
        return begun

    def _begin(self, context: Context, trial: int, rewind_points: Collection[int]) -> None:
        self.context, self.trial = context, trial
        self._rewind_points = frozenset(rewind_points)
