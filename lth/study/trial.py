"""One trial of a study: what `LotteryModel` and `LotterySession` have in common."""

from collections.abc import Collection, Sequence
from typing import Any, Self

from lth.core.durations import Duration, Point
from lth.core.field_errors import valid, whole
from lth.experiment.context import Context
from lth.training.settings import Training


class OneTrial:
    """A network, its data and its training under one seed, and what of it is kept for resets.

    Attributes:
        context: network, data, training and seed.
        trial: whose seed it is.
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
    ) -> None:
        """Begin with the initial weights that follow from `seed` and `trial`.

        Args:
            network: an unbuilt `keras.Sequential` of lottery layers, mixed freely with Keras' own,
                whose last layer gives one logit a class (of one that is built, only the layers
                count: each trial draws its own weights); or a name such as "lenet-300-100", or a
                member of `lth.networks.Network`.
            dataset: your arrays as an `ArrayDataset`; or a name such as "digits" or "mnist", or a
                member of `lth.datasets.Dataset`. Files are looked up as ``NAME.npz`` in the folder
                that the environment's LTH_DATASETS_DIR names, then in Keras' cache.
            training: optimizer, batches and length of each level; also as a dictionary of its
                fields.
            seed: everything random follows from it and from `trial`.
            trial: from 1; each has a seed of its own, spawned from `seed`.
            keep_weights_at: points of level 0, such as "500it", that a later reset may return to;
                whole experiments keep what their own reset needs.
            output_layer: name of the output layer, which has a rate of its own; by default the
                last layer that has a kernel is.

        Raises:
            NothingToPrune: when the network has no lottery layer.
            DatasetMissing: when the data cannot be had.
            SpecError: when network and data do not fit each other.
        """
        seed, trial = whole(seed, "seed", 0), whole(trial, "trial", 1)
        context = Context.of_network(network, dataset, training, seed, trial, output_layer)
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
        """Of the data."""
        return self.context.data.classes

    @classmethod
    def under(cls, context: Context, trial: int = 1, rewind_points: Collection[int] = ()) -> Self:
        """Begin under context that are there already.

        Args:
            context: network, data, training and seed.
            trial: whose seed it is.
            rewind_points: steps of level 0 whose weights are kept for late resets.
        """
        begun = cls.__new__(cls)
        begun._begin(context, trial, rewind_points)
        return begun

    def _begin(self, context: Context, trial: int, rewind_points: Collection[int]) -> None:
        self.context, self.trial = context, trial
        self._rewind_points = frozenset(rewind_points)
