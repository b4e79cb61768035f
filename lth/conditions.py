"""What experiments of a session share: the network, the data, the training, the seed."""

import platform
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any

import keras
from pydantic import TypeAdapter

from lth.datasets import Arrays, Dataset
from lth.engine.device import DeviceData, device_kind
from lth.engine.network import Blueprint, PrunablePlace, Weights
from lth.engine.program import Program, program
from lth.results import Environment
from lth.seeds import trial_seed
from lth.spec import Spec
from lth.training import Training

_PACKAGES = ("keras", "lth", "numpy", "tensorflow")
_DATASET: TypeAdapter[Any] = TypeAdapter(Dataset)


@dataclass(frozen=True)
class Conditions:
    """One network, in one trial, on one split of its data.

    Attributes:
        blueprint: the network, unbuilt.
        data: on the device.
        training: of every level.
        seed: of the trial.
        output: name of the output layer; None for the last lottery layer.
    """

    blueprint: Blueprint
    data: DeviceData
    training: Training
    seed: int
    output: str | None = None

    @classmethod
    def of_spec(cls, spec: Spec, seed: int, arrays: Arrays) -> "Conditions":
        """The conditions of the trial of a spec that has this seed."""
        facts, dataset = spec.dataset.facts, spec.dataset
        data = DeviceData.of(arrays, dataset.validation, seed, dataset.normalisation, facts.classes)
        blueprint = Blueprint.of_spec(spec.network, facts.shape, facts.classes)
        return cls(blueprint, data, spec.training, seed)

    @classmethod
    def of_network(
        cls,
        network: keras.Sequential,
        dataset: Any,
        training: Training,
        seed: int,
        trial: int,
        directory: Path | None,
        output: str | None,
    ) -> "Conditions":
        """The conditions of a trial with a network of the user's own.

        Args:
            network: an unbuilt Sequential of lottery layers and Keras' own.
            dataset: a name such as "digits", or a member of `lth.datasets.Dataset`.
            training: of every level.
            seed: of the whole study; each trial's is spawned from it.
            trial: from 1.
            directory: where data sets are looked up as ``NAME.npz``.
            output: name of the output layer.
        """
        chosen = _DATASET.validate_python(dataset)
        own = trial_seed(seed, trial)
        data = DeviceData.of(
            chosen.load(directory),
            chosen.validation,
            own,
            chosen.normalisation,
            chosen.facts.classes,
        )
        return cls(
            Blueprint.of_sequential(network, chosen.facts.shape), data, training, own, output
        )

    @cached_property
    def initial_weights(self) -> Weights:
        """The weights that every experiment of this trial starts from."""
        return self.blueprint.initial_weights(self.seed)

    @cached_property
    def places(self) -> tuple[PrunablePlace, ...]:
        """The prunable layers, in order."""
        return self.program(freezing=False).places

    def program(self, freezing: bool) -> Program:
        """The compiled network, with room for frozen values or without."""
        blueprint = self.blueprint.freezing() if freezing else self.blueprint
        return program(blueprint, self.training.optimizer, self.training.augmentation, self.output)


def environment(conditions: Conditions) -> Environment:
    """Where and with what experiments are carried out here."""
    return Environment(
        device=device_kind(),
        xla=conditions.program(freezing=False).xla,
        versions={
            "python": platform.python_version(),
            **{package: version(package) for package in _PACKAGES},
        },
    )
