import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256

import matplotlib
import numpy as np
import pytest
from matplotlib.figure import Figure

from lth.core.errors import SpecError
from lth.plots import (
    Format,
    accuracy_by_density,
    compare_learning,
    learning_curves,
    mask_picture,
    render,
    sparsity_by_layer,
    weights_scatter,
)
from lth.results.schemas import LevelResult
from tests.lth.plots.made_up import robust, run

LADDER = [0.8**n for n in range(21)]
KERNEL = np.random.default_rng(0).normal(size=(64, 40))
FEW = {"linear": KERNEL[:8, :8]}

FIGURES: dict[str, Callable[[], Figure]] = {
    "learning": lambda: learning_curves(run()),
    "learning-dense-only": lambda: learning_curves(run([1.0])),
    "learning-20-levels": lambda: learning_curves(run(LADDER)),
    "learning-one-point": lambda: learning_curves(run(points=1)),
    "session": lambda: compare_learning([run(experiment=name) for name in ("a", "b")]),
    "session-dense-only": lambda: compare_learning([run([1.0])]),
    "session-of-40": lambda: compare_learning([run(experiment=f"a.{n}") for n in range(40)]),
    "robust": lambda: compare_learning(robust(3)),
    "density": lambda: accuracy_by_density(robust(3, LADDER), controls={"control"}),
    "density-dense-only": lambda: accuracy_by_density([run([1.0])]),
    "density-nothing-left": lambda: accuracy_by_density([run([1.0, 0.0])]),
    "weights-as-points": lambda: weights_scatter(FEW, FEW),
    "weights-as-density": lambda: weights_scatter({"a": KERNEL}, {"a": KERNEL * 2}),
    "weights-none-kept": lambda: weights_scatter(FEW, FEW, {"linear": np.zeros((8, 8), bool)}),
    "weights-all-zero": lambda: weights_scatter({"a": KERNEL * 0}, {"a": KERNEL * 0}),
    "weights-13-layers": lambda: weights_scatter(*({str(n): KERNEL for n in range(13)},) * 2),
    "mask-image": lambda: mask_picture(KERNEL > 0, input_shape=(8, 8, 1)),
    "mask-colours": lambda: mask_picture(KERNEL[:48] > 0, input_shape=(4, 4, 3)),
    "mask-features": lambda: mask_picture(KERNEL > 0),
    "mask-100-classes": lambda: mask_picture(np.ones((20, 100), bool)),
    "mask-kernels": lambda: mask_picture(KERNEL.reshape(4, 4, 4, 40) > 0),
    "mask-empty": lambda: mask_picture(np.zeros((64, 10), bool), input_shape=(8, 8, 1)),
    "mask-full": lambda: mask_picture(np.ones((64, 10), bool), input_shape=(8, 8, 1)),
    "sparsity": lambda: sparsity_by_layer(run()),
    "sparsity-dense-only": lambda: sparsity_by_layer(run([1.0])),
    "sparsity-40-levels": lambda: sparsity_by_layer(run([0.9**n for n in range(41)])),
    "sparsity-nothing-left": lambda: sparsity_by_layer(run([1.0, 0.0])),
}


EACH_KIND = ("learning", "robust", "density", "weights-as-density", "mask-kernels", "sparsity")


@pytest.mark.parametrize("name", FIGURES)
def test_every_figure_is_drawn_without_a_warning(name: str) -> None:
    assert b"<svg" in render(FIGURES[name](), "svg")


@pytest.mark.parametrize("name", EACH_KIND)
def test_the_same_input_always_gives_the_same_bytes(name: str) -> None:
    once, again = FIGURES[name](), FIGURES[name]()
    png, svg = render(once, "png"), render(once, "svg")
    assert png.startswith(b"\x89PNG")
    assert b"<svg" in svg
    assert render(again, "svg") == svg
    assert render(again, "png") == png


def test_a_long_subtitle_is_wrapped_and_not_cut_off() -> None:
    late = [result.model_copy(update={"levels": after(result.levels)}) for result in robust(3)]
    title = "lenet-300-100 on fashion_mnist · sgd, batch 60, 50000it · large_final, learning_rate"
    figure = accuracy_by_density(late, title=title)
    figure.draw_without_rendering()
    headline, subtitle = (text.get_window_extent() for text in figure.texts)
    assert figure.texts[1].get_text().split("\n") == [
        f"{title} · mean of 3 trials, bars are its 95 % interval ·",
        "levels rewound to iteration 500 count on from there",
    ]
    assert subtitle.x1 < figure.bbox.x1
    assert headline.y0 > subtitle.y1
    assert subtitle.y0 > max(axes.get_tightbbox().y1 for axes in figure.axes)


def after(levels: tuple[LevelResult, ...]) -> tuple[LevelResult, ...]:
    return tuple(level.model_copy(update={"start": 500 * bool(level.level)}) for level in levels)


@pytest.mark.parametrize("name", FIGURES)
def test_every_panel_has_a_title(name: str) -> None:
    figure = FIGURES[name]()
    assert figure.texts[0].get_text()
    for axes in figure.axes:
        if axes.get_visible() and axes.get_label() != "<colorbar>":
            assert axes.get_title(loc="left")


def test_another_process_gives_the_same_bytes_and_never_imports_pyplot() -> None:
    program = (
        "import hashlib, sys\n"
        "from lth.plots import render\n"
        "from tests.lth.plots.test_canvas import FIGURES\n"
        "print(hashlib.sha256(render(FIGURES['weights-13-layers'](), 'svg')).hexdigest())\n"
        "print(hashlib.sha256(render(FIGURES['density'](), 'png')).hexdigest())\n"
        "print('matplotlib.pyplot' in sys.modules)"
    )
    printed = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, check=True
    ).stdout
    expected = [
        sha256(render(FIGURES["weights-13-layers"](), "svg")).hexdigest(),
        sha256(render(FIGURES["density"](), "png")).hexdigest(),
    ]
    assert printed.decode().split() == [*expected, "False"]


def test_the_layout_is_rounded_to_four_digits() -> None:
    figure = FIGURES["weights-13-layers"]()
    render(figure, "svg")
    for axes in figure.axes:
        edges = axes.get_position(original=True).get_points()
        assert (edges == edges.round(4)).all()


def test_several_threads_can_draw_at_once() -> None:
    names: list[tuple[str, Format]] = [("robust", "svg"), ("density", "png"), ("learning", "svg")]
    alone = [render(FIGURES[name](), ending) for name, ending in names]
    with ThreadPoolExecutor(4) as pool:
        drawn = list(pool.map(lambda job: render(FIGURES[job[0]](), job[1]), names * 2))
    assert drawn == alone * 2


def test_drawing_does_not_change_the_settings_of_matplotlib() -> None:
    before = dict(matplotlib.rcParams)
    render(learning_curves(run()), "svg")
    assert dict(matplotlib.rcParams) == before


def test_a_picture_contains_neither_a_date_nor_a_program_name() -> None:
    svg = render(learning_curves(run()), "svg")
    assert b"dc:date" not in svg
    assert b"Software" not in render(learning_curves(run()), "png")


def test_a_notebook_can_show_a_figure() -> None:
    figure = learning_curves(run())
    assert figure._repr_png_() == render(figure, "png")  # pyright: ignore


def test_an_unknown_format_is_refused() -> None:
    with pytest.raises(SpecError, match="'png' or 'svg', not as 'pdf'"):
        render(learning_curves(run()), "pdf")  # pyright: ignore
