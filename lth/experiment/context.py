"""The context that the experiments of a trial share: network, data, training and seed."""

import os
import platform
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import sha256
from importlib.metadata import version
from itertools import pairwise
from math import prod
from pathlib import Path
from typing import Any

import keras
import numpy as np

from lth.core.errors import SpecError
from lth.core.extensions import Package, packages_in
from lth.core.family import Member
from lth.core.field_errors import valid
from lth.core.seeds import trial_seed
from lth.datasets import SETTING, ArrayDataset, Arrays, Dataset, DatasetContract, Facts
from lth.engine.device import DeviceData, device_kind
from lth.engine.existing_state import InitialWeights
from lth.engine.network import Blueprint, PrunablePlace
from lth.engine.program import Program, program
from lth.engine.variables import Weights
from lth.networks import Network, place
from lth.networks.channels import misread_channels
from lth.networks.evaluation import evaluation_batch
from lth.networks.paper_defaults import Papers, papers_of
from lth.results.schemas import Environment
from lth.spec.document import Spec, canonical
from lth.training.settings import Training

_PACKAGES = ("keras", "lth", "numpy", "tensorflow")


@dataclass(frozen=True)
class Context:
    """One network, in one trial, on one split of its data.

    Attributes:
        blueprint: describes the network, which is not built yet.
        data: the data set, on the device.
        training: the settings of every level.
        seed: the seed of the trial.
        output: name of the output layer; None for the last layer that has a kernel.
        papers: the papers' defaults for this network.
        packages: the packages that add the network or the data set, by kind.
    """

    blueprint: Blueprint
    data: DeviceData
    training: Training
    seed: int
    output: str | None = None
    papers: Papers = field(default_factory=Papers)
    packages: Mapping[str, Package] = field(default_factory=dict)

    @classmethod
    def of_spec(cls, spec: Spec, seed: int, arrays: Arrays) -> "Context":
        """The context of a trial of a spec."""
        return cls._of(spec.network, spec.dataset, arrays, spec.training, seed)

    @classmethod
    def of_network(
        cls,
        network: Any,
        dataset: Any,
        training: Training | None,
        seed: int,
        trial: int,
        output: str | None,
        initial_weights: InitialWeights | None = None,
    ) -> "Context":
        """The context of a trial. `lth.study.trial.OneTrial` explains the arguments.

        Raises:
            NothingToPrune: if the network has no lottery layer.
            DatasetMissing: if the data set is not available.
            SpecError: if the network does not fit the data.
        """
        if isinstance(network, str | Mapping | Member):
            network = valid(Network, network, "network")
        elif not isinstance(network, keras.Sequential):
            raise SpecError(
                f"{type(network).__name__} is not a keras.Sequential; give an unbuilt Sequential "
                "of LotteryLinear, LotteryConv2D and Keras' own layers, or a name such as "
                "'lenet-300-100'"
            )
        if isinstance(dataset, np.ndarray | tuple | list):
            raise SpecError(
                "arrays are given as lth.ArrayDataset(x_train, y_train, x_test, y_test), which can "
                "also do without the last two"
            )
        if not isinstance(dataset, ArrayDataset):
            dataset = valid(Dataset, dataset, "dataset")
        if training is not None:
            training = valid(Training, training, "training")
        if not isinstance(network, keras.Layer):
            if initial_weights is not None:
                raise SpecError(
                    f"initial_weights={initial_weights!r} is for a keras.Sequential that has "
                    f"weights; each trial draws those of '{network.kind}'"
                )
            _check_placed(network, dataset.facts)
        folder = os.environ.get(SETTING)
        arrays = dataset.load(Path(folder) if folder else None)
        own = trial_seed(seed, trial)
        trained = papers_of(network).training(training or Training())
        made = cls._of(network, dataset, arrays, trained, own, output, initial_weights)
        if remark := misread_channels(made.blueprint.layers, dataset.facts.shape):
            warnings.warn(remark, stacklevel=3)
        trained.check(len(made.data.train), dataset.facts.shape)
        _check_logits(made.program(freezing=False).model, made.data.classes)
        return made

    @classmethod
    def _of(
        cls,
        network: Any,
        dataset: DatasetContract,
        arrays: Arrays,
        training: Training,
        seed: int,
        output: str | None = None,
        initial_weights: InitialWeights | None = None,
    ) -> "Context":
        facts = dataset.facts
        if isinstance(network, keras.Layer):
            blueprint = Blueprint.of_sequential(network, facts.shape, initial_weights)
            sizes = _sizes(blueprint)
        else:
            blueprint = Blueprint.of_spec(network, facts.shape, facts.classes)
            sizes = [layer.size for layer in place(network, facts.shape, facts.classes)]
        data = DeviceData.of(
            arrays,
            dataset.validation,
            seed,
            dataset.normalisation,
            facts.classes,
            evaluation_batch(sizes, training.batch_size),
        )
        packages = packages_in([network, dataset])
        return cls(blueprint, data, training, seed, output, papers_of(network), packages)

    @property
    def steps_per_epoch(self) -> int:
        """Optimizer steps in an epoch."""
        return self.training.steps_per_epoch(len(self.data.train))

    @property
    def digest(self) -> str:
        """SHA-256 (hex) of what all trials of an experiment share: network, data, training.

        The seed is not part of it.
        """
        said = (self.blueprint.key, self.data.identity, canonical(self.training), self.output or "")
        return sha256("\n".join(said).encode()).hexdigest()

    @property
    def origin(self) -> dict[str, str]:
        """The seed, training and data that a checkpoint must have to continue here."""
        return {
            "the trial's seed": str(self.seed),
            "the training": canonical(self.training),
            "the data": self.data.identity,
        }

    @cached_property
    def initial_weights(self) -> Weights:
        """The initial weights of every experiment of this trial, float32 by path."""
        return self.blueprint.initial_weights(self.seed)

    @cached_property
    def places(self) -> tuple[PrunablePlace, ...]:
        """The prunable layers, in the order of the network."""
        return self.program(freezing=False).places

    def program(self, freezing: bool) -> Program:
        """The compiled network, with or without variables for frozen weights."""
        blueprint = self.blueprint.freezing() if freezing else self.blueprint
        return program(blueprint, self.training.optimizer, self.training.augmentation, self.output)


def environment(context: Context) -> Environment:
    """The machine and the versions of the libraries that execute experiments here."""
    return Environment(
        device=device_kind(),
        xla=context.program(freezing=False).xla,
        versions={
            "python": platform.python_version(),
            **{package: version(package) for package in _PACKAGES},
        },
    )


def _check_placed(network: Any, facts: Facts) -> None:
    """Check that the layers of a network accept the data.

    Raises:
        SpecError: if a layer does not; the message names the first one.
    """
    try:
        place(network, facts.shape, facts.classes)
    except ValueError as error:
        raise SpecError(f"'{network.kind}' does not fit the data: {error}") from None


def _sizes(blueprint: Blueprint) -> list[int]:
    """For each layer, the numbers of a sample that enter and leave it.

    Raises:
        SpecError: if a layer does not accept the data, or the output of the layer before it.
    """
    try:
        layers: list[Any] = blueprint.build().layers
    except SpecError:
        raise
    except ValueError as error:
        shape = list(blueprint.shape)
        raise SpecError(f"the network does not take samples of {shape}: {error}") from error
    outputs = [prod(layer.output.shape[1:]) for layer in layers]
    return [before + after for before, after in pairwise([prod(blueprint.shape), *outputs])]


def _check_logits(model: keras.Sequential, classes: int) -> None:
    """Check that the network ends in one logit for each class.

    Raises:
        SpecError: if it ends in an activation, or in another number of values.
    """
    last, outputs = model.layers[-1], list(model.outputs[0].shape[1:])
    if outputs != [classes]:
        flat = "; a Flatten layer may be missing" if len(outputs) > 1 else ""
        raise SpecError(
            f"the network gives {outputs} for a sample, but the data have {classes} classes: the "
            f"last layer must give {classes} values{flat}"
        )
    activation = getattr(last, "activation", None)
    if activation not in (None, keras.activations.linear) or isinstance(last, keras.layers.Softmax):
        name = getattr(activation, "__name__", "softmax")
        raise SpecError(
            f"the last layer, '{last.name}', ends in '{name}', but the loss is taken of logits; "
            "leave the activation out"
        )
