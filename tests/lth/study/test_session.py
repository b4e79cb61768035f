"""Sessions: one trunk, controls, and trials."""

import numpy as np
import pytest

from lth.core.errors import SpecError
from lth.engine.observer import Observer
from lth.results.statistics import summarise
from lth.study.model import LotteryModel
from lth.study.robust import LotteryRobust
from lth.study.session import LotterySession
from tests.lth.small import TRAINING, network, noisy_network, same

TICKET = {"name": "ticket", "pruning": {"schedule": {"kind": "one_shot", "sparsity": 0.5}}}
RANDOM = {"name": "random", "control": {"kind": "random_weights", "of": "ticket"}}


@pytest.fixture(scope="module")
def session() -> LotterySession:
    session = LotterySession(noisy_network(), "digits", TRAINING)
    shuffled = {"name": "shuffled", "control": {"kind": "shuffled_mask", "of": "ticket"}}
    anywhere = {"name": "anywhere", "control": {"kind": "random_mask", "of": "ticket"}}
    session.run([RANDOM, shuffled, anywhere, TICKET])
    return session


def test_the_dense_network_is_trained_once_and_results_report_that(session):
    assert all(result.trunk_reused for result in session.results)
    dense = [result.levels[0] for result in session.results]
    assert all(level == dense[0] for level in dense)


def test_an_experiment_has_the_same_bytes_in_a_session_and_alone(session):
    alone = LotterySession(noisy_network(), "digits", TRAINING)
    result = alone.carry_out(_as_experiment(TICKET))
    assert not result.trunk_reused
    assert same(
        alone.experiment("ticket").trained_levels[1].weights,
        session.experiment("ticket").trained_levels[1].weights,
    )


def test_random_weights_keep_only_the_masks(session):
    ticket, control = session.experiment("ticket"), session.experiment("random")
    assert same(ticket.masks, control.masks)
    mask = ticket.masks["linear_1"]
    one, other = (m.ticket["linear_1/kernel"][mask] for m in (ticket, control))
    assert np.mean(np.sign(one) == np.sign(other)) == pytest.approx(0.5, abs=0.1)


def test_a_shuffled_mask_keeps_each_layers_density_and_the_initial_weights(session):
    ticket, control = session.experiment("ticket"), session.experiment("shuffled")
    for name, mask in ticket.masks.items():
        shuffled = control.masks[name]
        assert shuffled.sum() == mask.sum()
        assert not np.array_equal(shuffled, mask)
        kernel = f"{name}/kernel"
        assert np.array_equal(control.ticket[kernel], control.initial_weights[kernel] * shuffled)


def test_a_random_mask_keeps_the_total_number_of_weights(session):
    ticket, control = session.experiment("ticket"), session.experiment("anywhere")
    count = [sum(int(mask.sum()) for mask in model.masks.values()) for model in (ticket, control)]
    assert count[0] == count[1]


def test_controls_return_to_the_rewind_point_of_their_ticket_except_random_weights():
    """A control must differ from a late ticket only in the property that it controls."""
    session = LotterySession(network(), "digits", TRAINING)
    late = {**TICKET, "reinit": {"kind": "rewind", "to": "20it"}}
    kinds = ("random_weights", "shuffled_mask", "random_mask")
    session.run([late, *({"name": k, "control": {"kind": k, "of": "ticket"}} for k in kinds)])
    starts = {result.experiment: result.levels[1].start for result in session.results}
    assert starts == {"ticket": 20, "random_weights": 0, "shuffled_mask": 20, "random_mask": 20}
    ticket, control = session.experiment("ticket"), session.experiment("shuffled_mask")
    both = ticket.masks["linear_1"] & control.masks["linear_1"]
    one, other = (model.ticket["linear_1/kernel"][both] for model in (ticket, control))
    assert both.any()
    assert np.array_equal(one, other)


def test_a_grid_adds_every_criterion_with_every_reset():
    session = LotterySession(network(), "digits", TRAINING)
    grid = {"criteria": ["lf", "random"], "reinit": ["rewind", "none"]}
    session.run([TICKET], grid={**grid, "pruning": TICKET["pruning"]})
    assert [result.experiment for result in session.results] == [
        "ticket",
        "large_final.rewind",
        "large_final.none",
        "random.rewind",
        "random.none",
    ]
    with pytest.raises(SpecError, match=r"grid/criteria/0: 'larg_final' is not known"):
        session.run(grid={**grid, "criteria": ["larg_final"]})


def test_every_trial_has_all_experiments_and_the_grid():
    robust = LotteryRobust(network(), "digits", TRAINING, trials=2)
    grid = {"criteria": ["random"], "reinit": ["rewind"], "pruning": TICKET["pruning"]}
    robust.run((each for each in [TICKET]), grid=grid)
    done = [(result.trial, result.experiment) for result in robust.results]
    names = ("ticket", "random.rewind")
    assert done == [(trial, name) for trial in (1, 2) for name in names]
    assert {session.context.seed for session in robust.sessions} == {
        result.seed for result in robust.results
    }


def test_experiments_are_created_once_and_found_by_name():
    session = LotterySession(network(), "digits", TRAINING)
    first = session.new_experiment("one")
    assert session.experiment("one") is first
    with pytest.raises(SpecError, match="there is an experiment 'one' already"):
        session.new_experiment("one")
    with pytest.raises(SpecError, match="no experiment 'two'; there are: one"):
        session.experiment("two")


def test_a_reset_network_is_unpruned_and_has_its_initial_weights():
    session = LotterySession(network(), "digits", TRAINING)
    model = session.new_experiment("one")
    model.train()
    model.prune(sparsity=0.5)
    again = session.reset_network("one")
    assert all(mask.all() for mask in again.masks.values())
    assert same(again.ticket, model.initial_weights)
    assert again.levels == ()


def test_a_reset_experiment_runs_again_and_a_manual_one_continues():
    """The reset that the error suggests must work."""
    session = LotterySession(network(), "digits", TRAINING)
    manual = session.new_experiment("ticket")
    session.run([TICKET])
    assert session.experiment("ticket") is manual
    assert session.result("ticket").trunk_reused
    other = {**TICKET, "reinit": "random"}
    for carry_out, experiment in (
        (session.run, [other]),
        (session.carry_out, _as_experiment(other)),
    ):
        with pytest.raises(SpecError, match=r"already; reset_network\('ticket'\) begins it anew"):
            carry_out(experiment)
    session.reset_network("ticket")
    session.run([TICKET])
    assert same(session.experiment("ticket").ticket, manual.ticket)


def test_a_manually_pruned_experiment_is_not_run_with_another_method():
    session = LotterySession(network(), "digits", TRAINING)
    model = session.new_experiment("ticket")
    model.train()
    model.prune()
    with pytest.raises(SpecError, match="there is an experiment 'ticket' already"):
        session.run([TICKET])
    assert session.trunk is None


def test_a_ticket_with_controls_cannot_be_reset():
    """Otherwise its controls are compared with another ticket of that name."""
    session = LotterySession(network(), "digits", TRAINING)
    session.run([TICKET, RANDOM])
    with pytest.raises(SpecError, match="'ticket' has controls that follow it: random; reset them"):
        session.reset_network("ticket")
    session.reset_network("random")
    session.reset_network("ticket")
    assert session.controls == {}


@pytest.mark.parametrize("name", ["../other", "dense", "By hand"])
def test_names_that_cannot_be_folders_or_are_reserved_are_refused(name, tmp_path):
    """Otherwise results can be written outside the given folder."""
    with pytest.raises(SpecError, match=rf"^name: .*{name}"):
        LotterySession(network(), "digits", TRAINING).new_experiment(name)


def test_a_late_rewind_after_the_dense_training_is_refused():
    session = LotterySession(network(), "digits", TRAINING)
    session.run([TICKET])
    late = {**TICKET, "name": "late", "reinit": {"kind": "rewind", "to": "7it"}}
    with pytest.raises(SpecError, match=r"without keeping iterations \[7\]"):
        session.run([late])


def test_trials_are_independent_and_their_summary_covers_all_of_them():
    robust = LotteryRobust(network(), "digits", TRAINING, trials=2)
    robust.run([TICKET])
    first, second = (session.experiment("ticket") for session in robust.sessions)
    one, other = (m.initial_weights["linear_1/kernel"] for m in (first, second))
    assert np.mean(np.sign(one) == np.sign(other)) == pytest.approx(0.5, abs=0.05)
    (summary,) = robust.get_summary().experiments
    accuracies = [r.levels[1].final.test.accuracy for r in robust.results]
    assert summary.levels[1].metrics["final_test_accuracy"].mean == pytest.approx(
        np.mean(accuracies)
    )


@pytest.mark.parametrize(
    ("criteria", "modes"),
    [
        (("large_final", "movement"), ("rewind", "rewind")),
        (("random", "random"), ("none", "rewind")),
    ],
)
def test_different_manual_experiments_have_no_common_summary_or_picture(criteria, modes):
    """Manual experiments are distinguished like those of `run`."""
    robust = LotteryRobust(network(), "digits", TRAINING, trials=2)
    for session, criterion, mode in zip(robust.sessions, criteria, modes, strict=True):
        model = session.new_experiment("by-hand")
        model.train()
        model.prune(criterion)
        model.reinit(mode)
        model.train()
    for mixed in (robust.get_summary, robust.plot_sparsity):
        with pytest.raises(SpecError, match="trials 1 and 2 of 'by-hand' are not of the same"):
            mixed()


@pytest.mark.parametrize(
    ("data", "more"),
    [({"normalisation": "standard"}, {}), ({"validation": 181}, {}), ({}, {"trial": 3})],
)
def test_the_method_depends_on_the_data_but_not_on_the_trial(data, more):
    digits = {"kind": "digits"}
    one = LotteryModel(network(), digits, TRAINING).result()
    other = LotteryModel(network(), digits | data, TRAINING, **more).result()
    assert (one.method == other.method) is (not data)


def test_the_method_depends_on_the_output_layer():
    one, other = (
        LotteryModel(network(), "digits", TRAINING, output_layer=name).result()
        for name in (None, "linear_1")
    )
    assert one.method != other.method


def test_the_same_manual_steps_are_the_same_experiment():
    models = [LotteryModel(network(), "digits", TRAINING, trial=trial) for trial in (1, 2)]
    for model in models:
        model.train()
        model.prune(sparsity=0.5)
        model.reinit("random")
        model.train()
    one, other = (model.result() for model in models)
    assert one.method == other.method
    assert len(summarise([one, other]).experiments) == 1


class Interrupting(Observer):
    """An observer that interrupts the training at its n-th report."""

    def __init__(self, reports: int) -> None:
        self.left = reports

    def progress(self, progress) -> None:
        self.left -= 1
        if not self.left:
            raise KeyboardInterrupt


def test_an_interrupted_study_continues_when_it_runs_again():
    """Finished levels are not trained again."""
    undisturbed, robust = (LotteryRobust(network(), "digits", TRAINING, trials=2) for _ in "ab")
    undisturbed.run([TICKET])
    with pytest.raises(KeyboardInterrupt):
        robust.run([TICKET], Interrupting(8))
    robust.run([TICKET])
    assert robust.get_summary() == undisturbed.get_summary()
    nothing_to_do = Interrupting(1)
    robust.run([TICKET], nothing_to_do)
    assert nothing_to_do.left == 1


@pytest.mark.parametrize("reports", [2, 10])
def test_an_interrupted_level_starts_again(reports):
    """Otherwise it continues from weights that are older than its iteration."""
    undisturbed, model = (LotteryModel(noisy_network(), "digits", TRAINING) for _ in "ab")
    undisturbed.one_shot(0.5)
    with pytest.raises(KeyboardInterrupt):
        model.one_shot(0.5, observer=Interrupting(reports))
    model.one_shot(0.5)
    for ours, theirs in zip(model.trained_levels, undisturbed.trained_levels, strict=True):
        assert ours.result.history == theirs.result.history
        assert same(ours.weights, theirs.weights)


def test_a_robust_experiment_with_one_trial_is_refused():
    with pytest.raises(SpecError, match="trials is 1; expected a whole number from 2 on"):
        LotteryRobust(network(), "digits", TRAINING, trials=1)


def _as_experiment(document):
    from lth.spec.document import Ticket

    return Ticket.model_validate(document)
