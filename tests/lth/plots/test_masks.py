import numpy as np
import pytest

from lth.core.errors import SpecError
from lth.plots import mask_picture


def test_a_pixel_shows_how_many_of_its_weights_are_kept() -> None:
    mask = np.array([[1, 1, 1], [0, 0, 0], [1, 0, 0], [1, 1, 0]], bool)
    figure = mask_picture(mask, input_shape=(2, 2, 1), layer="linear")
    picture, matrix, bar = figure.axes
    assert np.asarray(picture.images[0].get_array()).tolist() == [[3, 0], [1, 2]]
    assert np.asarray(matrix.images[0].get_array()).tolist() == mask.tolist()
    assert bar.get_ylabel() == "weights kept by a pixel (of 3); grey: none"
    headline, subtitle = (text.get_text() for text in figure.texts)
    assert headline == "Mask of linear"
    assert subtitle == "6 of 12 weights kept (50 %)"


def test_the_channels_of_a_pixel_are_counted_together() -> None:
    mask = np.arange(12).reshape(12, 1) % 3 == 0
    mask[3:6] = True
    picture, _, bar = mask_picture(mask, input_shape=(2, 2, 3)).axes
    assert np.asarray(picture.images[0].get_array()).tolist() == [[1, 3], [1, 1]]
    assert "(of 3)" in bar.get_ylabel()


def test_features_that_are_not_pixels_are_a_curve() -> None:
    mask = np.array([[1, 1], [0, 0], [1, 0]], bool)
    curve, _ = mask_picture(mask).axes
    assert curve.patches[0].get_data().values.tolist() == [2, 0, 1]  # pyright: ignore
    assert curve.get_ylabel() == "weights kept (of 2)"


def test_an_input_shape_that_does_not_fit_the_layer_is_ignored() -> None:
    curve, _ = mask_picture(np.ones((10, 2), bool), input_shape=(4, 4, 1)).axes
    assert curve.get_xlabel() == "input feature"


def test_kernels_are_drawn_side_by_side_with_gaps() -> None:
    mask = np.zeros((2, 2, 3, 4), bool)
    mask[0, 1, :, 0] = True
    mask[1, 0, 0, 3] = True
    picture = np.ma.asarray(mask_picture(mask).axes[0].images[0].get_array())
    assert picture.shape == (5, 5)
    assert picture[0, 1] == 3
    assert picture[4, 3] == 1
    assert picture.sum() == 4
    assert picture.mask[2].all()
    assert picture.mask[:, 2].all()


def test_the_number_of_drawn_kernels_is_limited_and_the_title_says_so() -> None:
    axes = mask_picture(np.ones((1, 1, 1, 300), bool)).axes[0]
    assert axes.get_title(loc="left") == "kept weights of the first 256 of 300 kernels, 1 by 1"


def test_other_dimensions_are_refused_with_the_shape() -> None:
    with pytest.raises(SpecError, match=r"this one has the shape \[3\]"):
        mask_picture(np.ones(3, bool))


@pytest.mark.parametrize("most", [1, 3, 8])
def test_small_counts_have_one_color_and_one_tick_each(most: int) -> None:
    mask = np.zeros((4, most), bool)
    mask[0], mask[1, :1] = True, True
    figure = mask_picture(mask, input_shape=(2, 2, 1))
    figure.canvas.draw()
    bar = figure.axes[-1]
    labels = [label.get_text() for label in bar.get_yticklabels()]
    assert labels == [str(number) for number in range(1, most + 1)]
