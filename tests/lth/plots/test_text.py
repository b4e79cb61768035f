from lth.plots import pruning_summary
from lth.results.schemas import LayerDensity
from lth.spec.document import parse_spec
from lth.spec.titles import what_was_run


def layer(name: str, kept: int, total: int) -> LayerDensity:
    return LayerDensity(name=name, kept=kept, total=total, density=kept / total)


def test_the_summary_is_a_table_with_aligned_columns() -> None:
    layers = [layer("linear", 47_040, 235_200), layer("linear_1", 600, 1_000)]
    assert pruning_summary(layers).splitlines() == [
        "layer       kept    total  density",
        "----------------------------------",
        "linear    47,040  235,200     20 %",
        "linear_1     600    1,000     60 %",
        "----------------------------------",
        "all       47,640  236,200   20.2 %",
    ]


def test_a_summary_without_layers_is_an_empty_table() -> None:
    assert pruning_summary([]).splitlines()[-1].split() == ["all", "0", "0", "-"]


def test_a_single_experiment_is_described_with_its_method() -> None:
    spec = parse_spec({"kind": "model", "training": {"duration": "5ep"}})
    expected = "lenet-300-100 on digits · adam, batch 60, 5ep · large_final, rewind"
    assert what_was_run(spec) == expected


def test_a_session_is_described_by_the_settings_of_all_its_experiments() -> None:
    spec = parse_spec({"kind": "session", "experiments": [{"name": "ticket"}]})
    assert what_was_run(spec) == "lenet-300-100 on digits · adam, batch 60, 20ep"
