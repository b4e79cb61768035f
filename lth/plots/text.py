"""Tables of plain text for terminals and notebooks."""

from collections.abc import Sequence

from lth.plots.style import percent
from lth.results.schemas import LayerDensity
from lth.results.tables import aligned


def pruning_summary(layers: Sequence[LayerDensity]) -> str:
    """A table of the prunable layers with their kept weights.

    >>> print(pruning_summary([LayerDensity(name="dense", kept=1_176, total=5_880, density=0.2)]))
    layer   kept  total  density
    ----------------------------
    dense  1,176  5,880     20 %
    ----------------------------
    all    1,176  5,880     20 %
    """
    rows = [_row(layer.name, layer.kept, layer.total) for layer in layers]
    kept, total = sum(layer.kept for layer in layers), sum(layer.total for layer in layers)
    table = [("layer", "kept", "total", "density"), *rows, _row("all", kept, total)]
    head, *body, foot = aligned(table)
    rule = "-" * len(head)
    return "\n".join([head, rule, *body, rule, foot])


def _row(name: str, kept: int, total: int) -> tuple[str, str, str, str]:
    return name, f"{kept:,}", f"{total:,}", percent(kept / total) if total else "-"
