"""Pictures depend only on stored files."""

import sys
from pathlib import Path
from subprocess import run as run_program

import pytest

from lth import LotteryModel, Training
from lth.core.errors import SpecError
from lth.plots import render
from lth.plots.stored import job_picture, run_picture
from lth.results.artifacts import FORMATS, JOB_PICTURES, RUN_PICTURES, sources
from tests.lth.plots.made_up import robust
from tests.lth.small import network


@pytest.fixture(scope="module")
def model() -> LotteryModel:
    model = LotteryModel(network(), "digits", Training(duration="2ep"))
    model.one_shot(0.8)
    return model


@pytest.fixture(scope="module")
def folder(model: LotteryModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("results")
    model.save_results(folder)
    return folder


@pytest.mark.parametrize("picture", RUN_PICTURES)
def test_a_picture_is_drawn_from_its_declared_sources(
    picture: str, model: LotteryModel, folder: Path
) -> None:
    result = model.result()
    requested: list[str] = []

    def read(name: str) -> bytes:
        requested.append(name)
        return (folder / name).read_bytes()

    figure = run_picture(picture, result, read, classes=10, shape=(8, 8, 1))
    assert set(requested) == set(sources(picture, last=1))
    for ending in FORMATS["png_svg"]:
        assert render(figure, ending) == (folder / f"{picture}.{ending}").read_bytes()


def test_a_dense_network_also_has_pictures(tmp_path: Path) -> None:
    model = LotteryModel(network(), "digits", Training(duration="1ep"))
    model.train()
    model.save_results(tmp_path)
    requested: set[str] = set()
    for picture in RUN_PICTURES:
        requested |= set(sources(picture, last=0))
        assert (tmp_path / f"{picture}.png").stat().st_size > 10_000
    assert all((tmp_path / name).exists() for name in requested)


def test_results_of_one_trial_and_of_several_are_compared() -> None:
    for results in (robust(1), robust(3)):
        for picture in JOB_PICTURES:
            drawn = job_picture(picture, results, classes=10, controls=["control"])
            assert render(drawn, "svg")


def test_an_unknown_picture_is_refused(model: LotteryModel) -> None:
    with pytest.raises(SpecError, match="no picture 'plots/moon' of a run"):
        run_picture("plots/moon", model.result(), lambda name: b"", classes=10)
    with pytest.raises(SpecError, match="no picture 'plots/mask' of a job"):
        job_picture("plots/mask", robust(1), classes=10)


def test_drawing_needs_neither_tensorflow_nor_keras() -> None:
    program = "import lth.plots.stored, sys; print({'tensorflow', 'keras'} & set(sys.modules))"
    done = run_program([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
