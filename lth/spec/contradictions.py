"""Checks between fields of a spec. Each error names the place of its field."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pydantic import ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError

from lth.core.errors import SpecError
from lth.pruning.methods import Experiment, Grid, Ticket
from lth.reinit import Reinit
from lth.training.settings import Training

Place = tuple[int | str, ...]
"""The location of a field, below the part that is validated."""
_BYTES_OF_A_WEIGHT = 4


@dataclass(frozen=True, slots=True)
class Contradiction:
    """One error.

    Attributes:
        place: location of the field, below the part that is validated, as pydantic writes it.
        message: what is wrong.
        value: the value that was found.
    """

    place: Place
    message: str
    value: Any


def refuse(found: Iterable[Contradiction]) -> None:
    """Raise all errors at once, if there are any.

    Raises:
        pydantic.ValidationError: with each error at its location.
    """
    details = [
        InitErrorDetails(
            type=PydanticCustomError("value_error", "{said}", {"said": each.message}),
            loc=each.place,
            input=each.value,
        )
        for each in found
    ]
    if details:
        raise ValidationError.from_exception_data("spec", details)


def between_experiments(
    written: Sequence[Experiment], grid: Grid | None, training: Training, samples: int
) -> Iterator[Contradiction]:
    """Duplicate names, controls without a ticket, and rewind points after the end of the training.

    Args:
        written: the experiments that are written out.
        grid: the experiments of the grid.
        training: training settings of every level.
        samples: number of training samples.
    """
    cells = grid.cells if grid else ()
    tickets = sorted(each.name for each in (*written, *cells) if isinstance(each, Ticket))
    names: set[str] = set()
    for number, experiment in enumerate(written):
        place = ("experiments", number)
        if experiment.name in names:
            yield _twice((*place, "name"), experiment.name)
        names.add(experiment.name)
        if isinstance(experiment, Ticket):
            late = rewind_past_end(experiment.reinit, training, samples)
            yield from _below((*place, "reinit"), late)
        elif experiment.control.of not in tickets:
            yield Contradiction(
                (*place, "control", experiment.control.kind, "of"),
                f"the control '{experiment.name}' follows '{experiment.control.of}', which is no "
                f"ticket of this session; tickets: {', '.join(tickets) or 'none'}",
                experiment.control.of,
            )
    for cell in cells:
        if cell.name in names:
            yield _twice(("grid",), cell.name)
        names.add(cell.name)
    for number, reinit in enumerate(grid.reinit if grid else ()):
        yield from _below(("grid", "reinit", number), rewind_past_end(reinit, training, samples))


def rewind_past_end(reinit: Reinit, training: Training, samples: int) -> Iterator[Contradiction]:
    """Errors of resets that return to a point that a level never reaches."""
    try:
        training.check_point(reinit.rewind_point, samples)
    except SpecError as error:
        yield Contradiction((reinit.kind, "to"), str(error), str(reinit.rewind_point))


def too_many_snapshots(
    reinits: Mapping[Place, Reinit], parameters: int, steps_per_epoch: int, most: int
) -> Iterator[Contradiction]:
    """Errors of rewind points whose weights need more memory than allowed.

    Args:
        reinits: the resets, by location.
        parameters: number of parameters of the network.
        steps_per_epoch: optimizer steps in an epoch.
        most: bound on the bytes of all snapshots together.
    """
    points: set[int] = set()
    for place, reinit in reinits.items():
        point = reinit.rewind_point.iterations(steps_per_epoch)
        points |= {point} - {0}
        size = _BYTES_OF_A_WEIGHT * parameters * len(points)
        if point and size > most:
            yield Contradiction(
                (*place, reinit.kind, "to"),
                f"distinct rewind points after step 0 up to here: {len(points)}; the "
                f"weights at each take {_BYTES_OF_A_WEIGHT * parameters:,} bytes, together "
                f"{size:,}, and at most {most:,} are kept; rewind to fewer points, or train a "
                "smaller network",
                str(reinit.rewind_point),
            )
            return


def _twice(place: tuple[int | str, ...], name: str) -> Contradiction:
    message = f"names of experiments must differ, but '{name}' is given twice"
    return Contradiction(place, message, name)


def _below(place: tuple[int | str, ...], found: Iterable[Contradiction]) -> Iterator[Contradiction]:
    for each in found:
        yield replace(each, place=(*place, *each.place))
