"""One line that says what was run: the subtitle of the plots of a job."""

from lth.spec.document import ModelSpec, Spec


def what_was_run(spec: Spec) -> str:
    """Network, data, training, and for a single experiment its method.

    >>> from lth.spec.document import parse_spec
    >>> what_was_run(parse_spec({"kind": "model"}))
    'lenet-300-100 on digits · adam, batch 60, 20ep · large_final, rewind'
    """
    network = "own layers" if spec.network.kind == "layers" else spec.network.kind
    training = spec.training
    parts = [
        f"{network} on {spec.dataset.kind}",
        f"{training.optimizer.kind}, batch {training.batch_size}, {training.duration}",
    ]
    if isinstance(spec, ModelSpec):
        parts.append(f"{spec.pruning.criterion.kind}, {spec.reinit.kind}")
    return " · ".join(parts)
