"""What a spec accepts, refuses and fills in."""

import pytest
from pydantic import ValidationError

from lth.core.field_errors import wrong_fields
from lth.core.limits import SERVER_LIMITS, Limits
from lth.pruning.scopes import GlobalScope
from lth.spec.document import SPEC, ControlExperiment, Ticket, parse_spec

LATE = {"kind": "rewind", "to": "5it"}
GEOMETRIC = {"kind": "geometric", "fraction": 0.2, "rounds": 3}


def model(**fields):
    return parse_spec({"kind": "model", **fields})


def session(*experiments, **fields):
    return parse_spec({"kind": "session", "experiments": list(experiments), **fields})


def refused(complaint, parse, *args, **fields):
    with pytest.raises(ValidationError, match=complaint):
        parse(*args, **fields)


def test_a_spec_with_only_a_kind_is_a_complete_experiment():
    spec = model()
    assert spec.dataset.kind == "digits"
    assert spec.network.kind == "lenet-300-100"
    assert spec.pruning.criterion.kind == "large_final"
    assert spec.pruning.schedule.kind == "one_shot"
    assert spec.reinit.kind == "rewind"
    assert spec.samples == 1_437 - 180
    (ticket,) = spec.expanded
    assert ticket == Ticket(name="ticket")


@pytest.mark.parametrize(
    ("network", "rate"),
    [("lenet-300-100", 1.2e-3), ("conv-2", 2e-4), ("conv-4", 3e-4), ("conv-6", 3e-4)],
)
def test_a_network_without_an_optimizer_is_trained_as_in_the_papers(network, rate):
    for training in ({}, {"training": {"duration": "5ep"}}):
        optimizer = model(network=network, dataset="cifar10", **training).training.optimizer
        assert (optimizer.kind, optimizer.learning_rate) == ("adam", rate)


@pytest.mark.parametrize(
    ("network", "rate"),
    [("lenet-300-100", 0.5), ("conv-2", 0.5), ("conv-4", 0.5), ("conv-6", 0.75)],
)
def test_convolutions_are_pruned_at_the_rate_of_the_papers(network, rate):
    def rates(spec):
        return {each.pruning.scope.convolution for each in spec.expanded}

    fields = {"network": network, "dataset": "cifar10"}
    half = {"scope": {"kind": "layer", "output": 1}}
    grid = {"criteria": ["lf"], "reinit": ["rewind"]}
    assert rates(model(**fields)) == {rate}
    assert rates(model(**fields, pruning=half)) == {rate}
    both = session({"name": "a"}, {"name": "b", "pruning": half}, grid=grid, **fields)
    assert rates(both) == {rate}
    again = parse_spec(both.model_dump(mode="json"))
    assert again == both


def test_a_given_rate_for_convolutions_is_used():
    halved = {"scope": {"kind": "layer", "convolution": 0.5}}
    spec = model(network="conv-6", dataset="cifar10", pruning=halved)
    assert spec.pruning.scope.convolution == 0.5
    assert parse_spec(spec.model_dump(mode="json")) == spec
    everywhere = model(network="conv-6", dataset="cifar10", pruning={"scope": "global"})
    assert everywhere.pruning.scope == GlobalScope(kind="global")


def test_a_given_optimizer_is_used():
    optimizer = {"kind": "sgd", "learning_rate": 0.1}
    spec = model(network="conv-2", training={"optimizer": optimizer})
    assert spec.training.optimizer.learning_rate == 0.1
    adam = {"kind": "adam", "learning_rate": 1.2e-3}
    assert model(network="conv-2", training={"optimizer": adam}).training.optimizer == (
        model(network="lenet-300-100").training.optimizer
    )


@pytest.mark.parametrize("to", ["20ep", "21ep", "400it", "401it"])
def test_a_rewind_point_at_or_after_the_end_of_a_level_is_refused(to):
    reinit = {"kind": "rewind", "to": to}
    refused(
        f"a reset cannot return to '{to}': a level of '20ep' ends after 400", model, reinit=reinit
    )
    refused(f"a reset cannot return to '{to}'", session, {"name": "a", "reinit": reinit})
    refused(
        f"a reset cannot return to '{to}'", session, grid={"criteria": ["lf"], "reinit": [reinit]}
    )


@pytest.mark.parametrize("to", ["19ep", "399it", "0it"])
def test_any_earlier_rewind_point_is_accepted(to):
    model(reinit={"kind": "rewind", "to": to})


def test_a_warm_up_longer_than_its_level_is_refused_in_any_unit():
    model(training={"warmup": "400it"})
    refused("warm-up of '401it' is longer", model, training={"warmup": "401it"})
    refused("warm-up of '21ep' is longer", model, training={"warmup": "21ep"})
    refused("warm-up of '3ep' is longer", model, training={"warmup": "3ep", "duration": "50it"})


def test_a_batch_larger_than_the_data_is_refused():
    dataset = {"kind": "digits", "validation": 1_400}
    refused("batch of 60 is more than the 37 training samples", model, dataset=dataset)


def test_only_images_can_be_augmented():
    model(training={"augmentation": "flip"})
    flat = {
        "kind": "uploaded",
        "id": "ds_" + "0" * 32,
        "digest": "0" * 64,
        "facts": {"shape": [8], "classes": 3, "train": 1_000, "test": 100},
    }
    refused(r"'flip' moves pictures .* shape \[8\]", model, dataset=flat,
            training={"augmentation": "flip"})  # fmt: skip


def test_a_network_that_does_not_fit_its_data_is_refused():
    layers = {"kind": "layers", "layers": [{"kind": "linear", "units": 10}]}
    refused("layer 0: 'linear' takes a flat sample, but", model, network=layers)
    layers["layers"] = [{"kind": "flatten"}, {"kind": "linear", "units": 11}]
    refused("must be 'linear' with 10 units and no activation", model, network=layers)


def test_rates_that_never_prune_anything_are_refused():
    scope = {"kind": "layer", "dense": 0, "convolution": 0, "output": 0}
    refused("nothing is ever pruned", model, pruning={"scope": scope})


def test_an_empty_session_is_refused():
    refused("nothing to do", session)


def test_duplicate_names_in_a_session_are_refused():
    refused(
        "must differ, but 'a' is given twice", session, {"name": "a"}, {"name": "b"}, {"name": "a"}
    )


@pytest.mark.parametrize("name", ["trunk", "dense"])
def test_reserved_names_are_refused(name):
    refused(f"'{name}' is the name of", session, {"name": name})


@pytest.mark.parametrize("name", ["", "A", "a b", "../a", "a/b", ".a", "a" * 65, "ä"])
def test_a_name_that_cannot_be_part_of_a_path_is_refused(name):
    refused("name", session, {"name": name})


def test_a_control_follows_a_ticket_of_its_session():
    control = {"name": "c", "control": {"kind": "random_weights", "of": "a"}}
    ticket, follower = session({"name": "a"}, control).expanded
    assert isinstance(ticket, Ticket)
    assert isinstance(follower, ControlExperiment)
    refused(
        "'c' follows 'a', which is no ticket of this session; tickets: b",
        session,
        {"name": "b"},
        control,
    )
    other = {"name": "d", "control": {"kind": "random_weights", "of": "c"}}
    refused("'d' follows 'c', which is no ticket", session, {"name": "a"}, control, other)


def test_a_control_with_its_own_pruning_is_refused():
    control = {"name": "c", "control": {"kind": "random_weights", "of": "a"}, "pruning": {}}
    refused("Extra inputs", session, {"name": "a"}, control)


def test_a_grid_combines_every_criterion_with_every_reset():
    grid = {
        "criteria": ["lf", "mi"],
        "reinit": ["rewind", "random"],
        "pruning": {"schedule": GEOMETRIC},
    }
    spec = session({"name": "mine"}, grid=grid)
    assert [experiment.name for experiment in spec.expanded] == [
        "mine",
        "large_final.rewind",
        "large_final.random",
        "magnitude_increase.rewind",
        "magnitude_increase.random",
    ]
    cell = spec.expanded[-1]
    assert cell.pruning.criterion.kind == "magnitude_increase"
    assert cell.pruning.schedule.rounds == 3
    assert cell.reinit.kind == "random"


def test_the_names_of_grid_cells_include_their_parameters():
    resets = [
        "rewind",
        {"kind": "rewind", "to": "5ep"},
        {"kind": "constant", "value": 0.1, "keep_sign": True},
    ]
    spec = session(grid={"criteria": ["lf"], "reinit": resets})
    assert [experiment.name for experiment in spec.expanded] == [
        "large_final.rewind",
        "large_final.rewind-to-5ep",
        "large_final.constant-keep_sign-value-0.1",
    ]


def test_the_name_of_a_grid_cell_is_truncated_to_the_maximum_length():
    reset = {"kind": "jitter", "noise": 0.123, "to": "100it", "keep_sign": True}
    grid = {"criteria": ["magnitude_increase_same_sign"], "reinit": [reset]}
    (cell,) = session(grid=grid).expanded
    assert len(cell.name) == 64
    assert cell.name.startswith("magnitude_increase_same_sign.jitter-keep_sign-")


def test_a_null_grid_is_ignored():
    assert session({"name": "a"}, grid=None) == session({"name": "a"})


def test_experiments_that_are_not_a_list_are_refused():
    refused("Input should be a valid tuple", parse_spec, {"kind": "session", "experiments": 5})


@pytest.mark.parametrize("wrong", ["dataset", "network", "training"])
def test_only_the_wrong_part_is_reported_although_others_depend_on_it(wrong):
    fields = {"dataset": "digits", "network": "conv-2", "training": {"duration": "5ep"}}
    more = {"pruning": {"scope": "layer"}, "reinit": {"kind": "rewind", "to": "1ep"}}
    with pytest.raises(ValidationError) as refused:
        model(**fields | {wrong: "nothing"}, **more)
    assert [error["loc"][1] for error in refused.value.errors()] == [wrong]


def test_a_duplicate_grid_cell_is_refused():
    grid = {"criteria": ["lf", "lf"], "reinit": ["rewind"]}
    refused("'large_final.rewind' is given twice", session, grid=grid)
    refused(
        "'large_final.rewind' is given twice",
        session,
        {"name": "large_final.rewind"},
        grid={"criteria": ["lf"], "reinit": ["rewind"]},
    )


def test_all_contradictions_are_reported_at_their_fields():
    late = {"kind": "rewind", "to": "20ep"}
    document = {
        "kind": "session",
        "experiments": [
            {"name": "a", "reinit": late},
            {"name": "a"},
            {"name": "b", "control": {"kind": "random_mask", "of": "c"}},
        ],
        "grid": {"criteria": ["lf", "mi"], "reinit": ["rewind", late]},
    }
    with pytest.raises(ValidationError) as raised:
        parse_spec(document)
    wrong = wrong_fields(raised.value, document, SPEC.json_schema())
    assert len(wrong) == 4
    assert {each.pointer: each.value for each in wrong} == {
        "/experiments/0/reinit/to": "20ep",
        "/experiments/1/name": "a",
        "/experiments/2/control/of": "c",
        "/grid/reinit/1/to": "20ep",
    }


def test_a_robust_job_has_trials():
    spec = parse_spec({"kind": "robust", "experiments": [{"name": "a"}]})
    assert list(spec.trial_numbers) == [1, 2, 3, 4, 5]
    assert list(model().trial_numbers) == list(session({"name": "a"}).trial_numbers) == [1]


@pytest.mark.parametrize(
    ("fields", "limits", "complaint"),
    [
        ({"training": {"duration": "11ep"}}, {"max_epochs": 10}, "the limit of '10ep'"),
        ({"training": {"duration": "11it"}}, {"max_iterations": 10}, "the limit of '10it'"),
        ({"training": {"duration": "1ep"}}, {"max_iterations": 10}, "20 iterations of a level"),
        ({"training": {"batch_size": 61}}, {"max_batch_size": 60}, "61 samples in a batch"),
        ({"training": {"evaluate_every": "1it"}}, {"max_evaluations": 99}, "400 evaluations"),
        ({"network": "conv-2"}, {"max_parameters": 1_000}, "parameters are more than the limit"),
        ({"pruning": {"schedule": GEOMETRIC}}, {"max_rounds": 2}, "3 rounds are more"),
        ({"reinit": LATE}, {"max_snapshot_bytes": 99}, "bytes, together 202,440, and at most 99"),
        (
            {"pruning": {"schedule": {"kind": "geometric", "fraction": 1e-6, "sparsity": 0.99}}},
            {"max_rounds": 50},
            r"46051\d\d rounds are more than the limit of 50",
        ),
    ],
)
def test_specs_over_a_limit_are_refused(fields, limits, complaint):
    document = {"kind": "model", **fields}
    parse_spec(document)
    with pytest.raises(ValidationError, match=complaint):
        parse_spec(document, Limits(**limits))


def test_rewind_points_are_bounded_by_the_size_of_their_weights():
    """Without this limit, 200 rewind points fill the memory of a worker."""
    tickets = [
        {"name": f"t{n}", "reinit": {"kind": "rewind", "to": f"{n // 2}it"}} for n in range(8)
    ]
    twice = Limits(max_snapshot_bytes=2 * 4 * 50_610)
    parse_spec({"kind": "session", "experiments": tickets[:6]}, twice)
    every = [each["reinit"] for each in tickets[::2]]
    grid = {"criteria": ["random", "movement"], "reinit": every}
    for given, place in (
        ({"experiments": tickets}, "/experiments/6/reinit/to"),
        ({"grid": grid}, "/grid/reinit/3/to"),
        ({"experiments": tickets[:6], "grid": grid}, "/grid/reinit/3/to"),
    ):
        with pytest.raises(ValidationError) as refused:
            parse_spec({"kind": "session", **given}, twice)
        document = {"kind": "session", **given}
        (wrong,) = wrong_fields(refused.value, document, SPEC.json_schema())
        assert wrong.pointer == place
        assert "distinct rewind points after step 0 up to here: 3;" in wrong.message


def test_experiments_are_counted_before_they_are_validated():
    with pytest.raises(ValidationError) as refused:
        parse_spec({"kind": "session", "experiments": [{}] * 201}, SERVER_LIMITS)
    (error,) = refused.value.errors()
    assert "201 experiments are more than the limit of 200" in error["msg"]


def test_limits_bound_the_trials_and_the_experiments_of_a_grid():
    document = {
        "kind": "robust",
        "trials": 101,
        "grid": {"criteria": ["lf", "mi", "mov"], "reinit": ["rewind"]},
    }
    with pytest.raises(ValidationError, match=r"101 trials are more than the limit of 100"):
        parse_spec(document, SERVER_LIMITS)
    with pytest.raises(ValidationError, match=r"3 experiments are more than the limit of 2"):
        parse_spec(document, Limits(max_experiments=2))


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ({"dataset": "../../etc/passwd"}, "'../../etc/passwd' .* does not match any"),
        ({"dataset": {"kind": "digits", "path": "/etc/passwd"}}, "Extra inputs"),
        ({"network": {"kind": "layers", "layers": [{"kind": "lambda"}]}}, "'lambda' .* not match"),
        ({"callback": "os.system"}, "Extra inputs"),
        ({"training": {"optimizer": {"kind": "os.system", "learning_rate": 1}}}, "not match"),
    ],
)
def test_a_spec_cannot_contain_a_path_or_code(fields, complaint):
    refused(complaint, model, **fields)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -0.1, 0, 1, "half", None, [0.5]])
def test_a_sparsity_that_is_not_a_share_is_refused(value):
    refused("sparsity", model, pruning={"schedule": {"kind": "one_shot", "sparsity": value}})
