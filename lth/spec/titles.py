"""Short names of what was run: in lists, and as the subtitle of the plots of a job."""

from lth.datasets import Uploaded
from lth.spec.document import ModelSpec, Spec


def network_name(spec: Spec) -> str:
    """The name of a network, such as ``conv-2``, or ``own layers``."""
    return "own layers" if spec.network.kind == "layers" else spec.network.kind


def dataset_name(spec: Spec) -> str:
    """The name of a data set, such as ``mnist``, or the id of an uploaded one."""
    return spec.dataset.id if isinstance(spec.dataset, Uploaded) else spec.dataset.kind


def what_was_run(spec: Spec) -> str:
    """Network, data, training, and for a single experiment its method.

    >>> from lth.spec.document import parse_spec
    >>> what_was_run(parse_spec({"kind": "model"}))
    'lenet-300-100 on digits · adam, batch 60, 20ep · large_final, rewind'
    """
    training = spec.training
    parts = [
        f"{network_name(spec)} on {spec.dataset.kind}",
        f"{training.optimizer.kind}, batch {training.batch_size}, {training.duration}",
    ]
    if isinstance(spec, ModelSpec):
        parts.append(f"{spec.pruning.criterion.kind}, {spec.reinit.kind}")
    return " · ".join(parts)
