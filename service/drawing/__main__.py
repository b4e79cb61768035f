"""The drawing process: reads orders from its input, and writes pictures to its output.

It ends with its input, so it cannot outlive the API. It also ends when it was idle for a while, to
free its memory.
"""

import os
import select
import signal
import sys
from collections.abc import Mapping

from lth.plots import render
from lth.plots.stored import job_picture, run_picture
from lth.results.schemas import RunResult
from lth.results.statistics import coverage
from lth.spec.document import ControlExperiment, parse_spec
from lth.spec.titles import what_was_run
from service.drawing.messages import ERROR, ORDER, Order, read, write

_IDLE_SECONDS = 300.0


def main() -> None:
    """Draw until the input ends or the process was idle for too long."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the API; our input ends with it.
    orders, answers = sys.stdin.buffer, os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # Libraries must not print into answers.
    try:
        while select.select([orders], [], [], _IDLE_SECONDS)[0]:
            write(answers, _answer(read(orders)))
    except (EOFError, BrokenPipeError):
        os._exit(0)  # The API has ended; nothing reads our output.


def _answer(message: Mapping[str, bytes]) -> Mapping[str, bytes]:
    try:
        return draw(Order.model_validate_json(message[ORDER]), message)
    except Exception as error:
        return {ERROR: f"{type(error).__name__}: {error}".encode()}


def draw(order: Order, files: Mapping[str, bytes]) -> dict[str, bytes]:
    """The pictures of an order, by format; the figure is drawn once."""
    spec = parse_spec(order.spec)
    results = [RunResult.model_validate(result) for result in order.results]
    title, facts = what_was_run(spec), spec.dataset.facts
    if order.of_job:
        controls = {e.name for e in spec.expanded if isinstance(e, ControlExperiment)}
        covered = coverage(spec, results)
        if not covered.complete:
            title += f" · {covered.results} of {covered.results_planned} runs"
        figure = job_picture(
            order.picture, results, classes=facts.classes, controls=controls, title=title
        )
    else:
        (result,) = results
        figure = run_picture(
            order.picture,
            result,
            files.__getitem__,
            classes=facts.classes,
            shape=facts.shape,
            title=title,
        )
    return {ending: render(figure, ending) for ending in order.formats}


if __name__ == "__main__":
    main()
