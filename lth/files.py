"""The files that experiments leave behind: arrays, reports and plots."""

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from matplotlib.figure import Figure

from lth.artifacts import (
    INITIAL_WEIGHTS,
    JSON,
    LAYERS,
    LEARNING_CURVES,
    MASK_PICTURE,
    MASKS,
    NPZ,
    PNG,
    REPORT,
    SPARSITY,
    SUMMARY,
    SVG,
    WEIGHTS,
    Artifact,
    level_weights,
)
from lth.npz import encode, named
from lth.plots import (
    accuracy_by_density,
    compare_learning,
    learning_curves,
    render,
    sparsity_by_layer,
)
from lth.results import RunResult
from lth.spec import Plots

if TYPE_CHECKING:
    from lth.model import LotteryModel


def experiment_files(
    model: "LotteryModel", result: RunResult, about: Mapping[str, Any], title: str, plots: Plots
) -> tuple[Artifact, ...]:
    """What one finished experiment leaves behind.

    Args:
        model: the experiment.
        result: what is known of it.
        about: what was asked for, as plain data; it goes into the report.
        title: what was run, for the plots.
        plots: which pictures are drawn.
    """
    levels = model.trained_levels
    masks = {
        key: mask
        for level in levels[1:]
        for key, mask in named(f"level-{level.result.level}", level.masks).items()
    }
    report = {**about, "result": result.model_dump(mode="json")}
    arrays = [
        Artifact(MASKS, NPZ, lambda: encode(masks)),
        Artifact(INITIAL_WEIGHTS, NPZ, lambda: encode(model.initial_weights)),
        *(
            Artifact(
                level_weights(level.result.level), NPZ, lambda level=level: encode(level.weights)
            )
            for level in levels
        ),
        Artifact(REPORT, JSON, lambda: _json(report)),
    ]
    drawn = {
        LEARNING_CURVES: lambda: learning_curves(result, title),
        WEIGHTS: lambda: model.plot_weights(title=title),
        MASK_PICTURE: lambda: model.plot_mask(title=title),
        SPARSITY: lambda: accuracy_by_density([result], title=title),
        LAYERS: lambda: sparsity_by_layer(result, title),
    }
    return (*arrays, *_pictures(drawn, plots))


def comparison_files(
    results: Sequence[RunResult],
    summary: Any,
    controls: Collection[str],
    title: str,
    plots: Plots,
) -> tuple[Artifact, ...]:
    """What the experiments of a job leave behind together.

    Args:
        results: one for each experiment and trial.
        summary: their statistics, as plain data.
        controls: names of the experiments that are controls.
        title: what was run.
        plots: which pictures are drawn.
    """
    drawn = {
        LEARNING_CURVES: lambda: compare_learning(results, title=title),
        SPARSITY: lambda: accuracy_by_density(results, controls=controls, title=title),
    }
    return (Artifact(SUMMARY, JSON, lambda: _json(summary)), *_pictures(drawn, plots))


def save(artifacts: Iterable[Artifact], directory: Path) -> tuple[Path, ...]:
    """Write artifacts as files under their names; a directory that is missing is made."""
    paths = []
    for artifact in artifacts:
        path = directory / artifact.name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(artifact.content())
        paths.append(path)
    return tuple(paths)


def _pictures(drawn: Mapping[str, Callable[[], Figure]], plots: Plots) -> Iterator[Artifact]:
    """The plots that are asked for, each drawn when it is wanted."""
    for name, figure in drawn.items():
        if plots != "none":
            yield Artifact(f"{name}.png", PNG, lambda figure=figure: render(figure(), "png"))
        if plots == "png_svg":
            yield Artifact(f"{name}.svg", SVG, lambda figure=figure: render(figure(), "svg"))


def _json(document: Any) -> bytes:
    return json.dumps(document, indent=1, sort_keys=True, allow_nan=False).encode()
