"""Refuses a spec whose runs need too much memory.

It is no validator of the spec, because the largest worker of a pool may be the limit, and only the
service knows that.
"""

from typing import Any

from lth.core.sizes import size_text
from lth.networks.presets import LayerList
from lth.spec.contradictions import Contradiction, Place, refuse
from lth.spec.document import Spec
from lth.spec.memory import MemoryEstimate, estimate_memory, largest_batch


def check_memory(spec: Spec, most: int, limit: str) -> None:
    """Refuse a spec if the estimated memory of its runs is more than `most` bytes.

    Args:
        spec: a valid spec.
        most: the limit in bytes.
        limit: the limit as a part of a sentence, such as ``at most 12 GiB are allowed``.

    Raises:
        pydantic.ValidationError: names the field that needs most, and the largest batch that fits.
    """
    needs = estimate_memory(spec)
    if needs.total > most:
        place, value, cause = _largest_part(spec, needs)
        refuse([Contradiction(place, _message(spec, needs, most, limit, cause), value)])


def _largest_part(spec: Spec, needs: MemoryEstimate) -> tuple[Place, Any, str]:
    """The field whose part of the memory is the largest, its value, and the part in words."""
    network = spec.network
    batches = max(needs.training, needs.evaluation)
    if max(needs.data, needs.weights) > batches:
        if needs.data > needs.weights:
            return ("dataset",), spec.dataset.kind, "for the data set"
        return ("network",), network.kind, "for the weights of the network"
    cause = f"for batches in {needs.layer} and the other layers"
    if isinstance(network, LayerList):
        layer = network.layers[needs.number].model_dump(mode="json", exclude_defaults=True)
        return ("network", "layers", needs.number), layer, cause
    return ("network",), network.kind, cause


def _message(spec: Spec, needs: MemoryEstimate, most: int, limit: str, cause: str) -> str:
    fits = largest_batch(spec, most)
    if fits is not None:
        advice = f"the largest batch_size that fits is {fits}, and it is {spec.training.batch_size}"
    elif needs.process > most:
        advice = f"each run needs {size_text(needs.process)} for its process alone"
    else:
        advice = "no batch_size fits; use a smaller network or data set"
    return f"a run needs {size_text(needs.total)} of memory, mostly {cause}, but {limit}; {advice}"
