"""The files that an experiment leaves, and functions that write them to a directory."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any, Protocol

from matplotlib.figure import Figure

from lth.core.errors import SpecError
from lth.core.npz import encode, named
from lth.engine.observer import TrainedLevel
from lth.engine.variables import Weights
from lth.experiment.context import Context
from lth.plots import render
from lth.plots.stored import job_picture, run_picture
from lth.results.artifacts import (
    CSV,
    INITIAL_WEIGHTS,
    JOB_PICTURES,
    JSON,
    LEVELS,
    MASKS,
    MEDIA_TYPES,
    NPZ,
    REPORT,
    RUN_PICTURES,
    SUMMARY,
    Artifact,
    as_json,
    level_weights,
)
from lth.results.records import as_csv, records
from lth.results.schemas import RunResult
from lth.results.statistics import summarise
from lth.study.study import Study


class FinishedExperiment(Protocol):
    """An experiment whose files are written, such as a `lth.LotteryModel`."""

    @property
    def trained_levels(self) -> Sequence[TrainedLevel]: ...

    @property
    def initial_weights(self) -> Weights: ...

    @property
    def context(self) -> Context: ...

    @property
    def classes(self) -> int: ...


def level_files(model: FinishedExperiment) -> tuple[Artifact, ...]:
    """The arrays of an experiment's finished levels: masks, initial weights, trained weights."""
    levels = model.trained_levels
    masks = {
        key: mask
        for level in levels[1:]
        for key, mask in named(f"level-{level.result.level}", level.masks).items()
    }
    return (
        Artifact(MASKS, NPZ, lambda: encode(masks)),
        Artifact(INITIAL_WEIGHTS, NPZ, lambda: encode(model.initial_weights)),
        *(
            Artifact(level_weights(level.result.level), NPZ, partial(encode, level.weights))
            for level in levels
        ),
    )


def report_file(result: RunResult, about: Mapping[str, Any]) -> Artifact:
    """The report of a finished experiment.

    Args:
        result: its result.
        about: its settings as plain data.
    """
    report = {**about, "result": result.model_dump(mode="json")}
    return Artifact(REPORT, JSON, partial(as_json, report))


def save_experiment(
    model: FinishedExperiment, result: RunResult, directory: Path, title: str = ""
) -> tuple[Path, ...]:
    """Write the files and pictures of an experiment to a directory, which is created if needed.

    Raises:
        SpecError: if no level is finished.
    """
    if not result.levels:
        raise SpecError("there is nothing to save: no level is finished; call train() first")
    files = (*level_files(model), report_file(result, {}))
    contents = {file.name: file.content for file in files}
    shape, classes = model.context.blueprint.shape, model.classes

    def draw(picture: str) -> Figure:
        return run_picture(
            picture,
            result,
            lambda name: contents[name](),
            classes=classes,
            shape=shape,
            title=title,
        )

    return _save(chain(files, [_levels([result])], _pictures(RUN_PICTURES, draw)), directory)


def save_comparison(study: Study, directory: Path) -> tuple[Path, ...]:
    """Write the files that compare experiments and trials to a directory."""
    results, controls = study.results, study.controls
    summary = summarise(results, controls).model_dump(mode="json")
    summed_up = Artifact(SUMMARY, JSON, partial(as_json, summary))

    def draw(picture: str) -> Figure:
        return job_picture(picture, results, classes=study.classes, controls=controls)

    return _save(chain([summed_up, _levels(results)], _pictures(JOB_PICTURES, draw)), directory)


def _levels(results: Sequence[RunResult]) -> Artifact:
    return Artifact(LEVELS, CSV, lambda: as_csv(records(results)))


def _save(artifacts: Iterable[Artifact], directory: Path) -> tuple[Path, ...]:
    paths = []
    for artifact in artifacts:
        path = directory / artifact.name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(artifact.content())
        paths.append(path)
    return tuple(paths)


def _pictures(names: Iterable[str], draw: Callable[[str], Figure]) -> Iterator[Artifact]:
    """Every picture in every format. Each figure is drawn only when it is written."""
    for name in names:
        figure = draw(name)
        for ending, media_type in MEDIA_TYPES.items():
            yield Artifact(f"{name}.{ending}", media_type, partial(render, figure, ending))
