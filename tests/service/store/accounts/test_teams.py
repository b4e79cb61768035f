"""Teams: who sees what, and how quotas and shares of a team count."""

import pytest

from service.settings import Settings
from service.store.accounts import keys, owners, teams
from service.store.accounts.owners import Quota
from service.store.accounts.teams import TeamQuota
from service.store.accounts.viewers import Viewer
from service.store.database import Database
from service.store.errors import InUse, NotThere, QuotaExceeded
from service.store.jobs import commands, jobs
from service.store.jobs.jobs import JobFilter
from service.store.jobs.queue_position import outlook
from service.store.runs import finishing
from service.store.runs.claims import Claimed
from service.store.runs.finishing import Success
from service.store.states import JobState
from tests.service.store.conftest import Claim, Submit


def team(database: Database, name: str, *members: str, quota: TeamQuota | None = None) -> None:
    with database.transaction() as session:
        teams.put(session, name, quota or TeamQuota())
        for member in members:
            owners.ensure(session, member)
            teams.add_member(session, name, member)


def share(database: Database, job_id: str, name: str | None) -> None:
    with database.transaction() as session:
        commands.change(session, jobs.get(session, job_id), {"team": name})


def owners_of(claims: list[Claimed | None]) -> list[str]:
    return [claimed.owner for claimed in claims if claimed is not None]


def listed(database: Database, viewer: Viewer | None, **wanted: object) -> list[str]:
    """The ids in all pages of two jobs each."""
    found: list[str] = []
    cursor = None
    while True:
        with database.transaction() as session:
            page = jobs.page(session, JobFilter(viewer, **wanted), cursor, limit=2)  # pyright: ignore[reportArgumentType]
        found += [job.id for job in page.rows]
        cursor = page.cursor
        if cursor is None:
            return found


def test_pages_merge_own_and_shared_jobs_in_order_and_once(
    submit: Submit, database: Database
) -> None:
    team(database, "vision", "ann", "bob")
    team(database, "speech", "ann", "cyd")
    ids = [submit(owner=owner) for owner in ("ann", "bob", "cyd", "bob", "ann", "dan", "cyd")]
    for job_id, name in [(ids[0], "vision"), (ids[1], "vision"), (ids[2], "speech")]:
        share(database, job_id, name)

    ann = Viewer("ann", ("vision", "speech"))
    seen = [ids[4], ids[2], ids[1], ids[0]]
    assert listed(database, ann) == seen
    assert listed(database, ann, states=[JobState.QUEUED]) == seen
    assert listed(database, ann, states=[JobState.FAILED]) == []
    assert listed(database, ann, owner="ann") == [ids[4], ids[0]]
    assert listed(database, ann, owner="bob") == [ids[1]]
    assert listed(database, ann, team="vision") == [ids[1], ids[0]]
    assert listed(database, ann, team="speech", owner="cyd") == [ids[2]]
    assert listed(database, Viewer("bob", ("vision",))) == [ids[3], ids[1], ids[0]]
    assert listed(database, Viewer("dan")) == [ids[5]]
    assert listed(database, None) == ids[::-1]
    assert listed(database, None, team="vision", owner="bob") == [ids[1]]


def test_own_names_come_before_those_of_the_team(submit: Submit, database: Database) -> None:
    team(database, "vision", "ann", "bob", "cyd")
    mine, theirs = (submit({"name": "lenet"}, owner=owner) for owner in ("ann", "bob"))
    share(database, theirs, "vision")
    with database.transaction() as session:
        assert jobs.find(session, "lenet", Viewer("ann", ("vision",))).id == mine
        assert jobs.find(session, "lenet", Viewer("cyd", ("vision",))).id == theirs
        with pytest.raises(NotThere, match="there is no job"):
            jobs.find(session, "lenet", Viewer("dan"))


def test_the_first_team_becomes_home_and_the_next_one_follows_it(database: Database) -> None:
    team(database, "vision", "ann")
    team(database, "speech", "ann")
    with database.transaction() as session:
        assert teams.of_owner(session, "ann") == ("vision", "speech")
        teams.add_member(session, "speech", "ann", home=True)
        assert teams.of_owner(session, "ann") == ("speech", "vision")
        teams.add_member(session, "speech", "ann")
        assert teams.of_owner(session, "ann") == ("speech", "vision")
        teams.remove_member(session, "speech", "ann")
        assert teams.of_owner(session, "ann") == ("vision",)
        ((_, held),) = teams.with_holdings(session, ["vision"])
        assert [(member.owner, member.home) for member in held.members] == [("ann", True)]
        teams.add_member(session, "vision", "ann", home=False)
        ((_, held),) = teams.with_holdings(session, ["vision"])
        assert [(member.owner, member.home) for member in held.members] == [("ann", False)]


def test_wrong_names_and_teams_in_use_are_refused(submit: Submit, database: Database) -> None:
    team(database, "vision", "ann")
    job_id = submit(owner="ann")
    share(database, job_id, "vision")
    with database.transaction() as session:
        with pytest.raises(NotThere, match="no team 'speech'"):
            teams.add_member(session, "speech", "ann")
        with pytest.raises(NotThere, match="no owner 'zoe'"):
            teams.add_member(session, "vision", "zoe")
        with pytest.raises(NotThere, match="'bob' is no member"):
            teams.remove_member(session, "vision", "bob")
        with pytest.raises(InUse, match="still has members"):
            teams.delete(session, "vision")
        teams.remove_member(session, "vision", "ann")
        with pytest.raises(InUse, match="still has jobs"):
            teams.delete(session, "vision")
    share(database, job_id, None)
    with database.transaction() as session:
        teams.delete(session, "vision")
        assert teams.with_holdings(session) == []


def test_a_team_with_a_weight_shares_the_workers_as_one(
    submit: Submit, claim: Claim, database: Database
) -> None:
    team(database, "vision", "ann", "bob", "cyd", quota=TeamQuota(weight=1.0))
    for owner in ("ann", "bob", "cyd", "dan") * 4:
        submit(owner=owner)

    served = owners_of([claim() for _ in range(8)])

    assert served.count("dan") == 4
    assert sorted(served.count(owner) for owner in ("ann", "bob", "cyd")) == [1, 1, 2]


def test_a_team_without_a_weight_changes_no_shares(
    submit: Submit, claim: Claim, database: Database
) -> None:
    team(database, "vision", "ann", "bob", "cyd")
    for owner in ("ann", "bob", "cyd", "dan") * 4:
        submit(owner=owner)

    served = owners_of([claim() for _ in range(8)])

    assert [served.count(owner) for owner in ("ann", "bob", "cyd", "dan")] == [2, 2, 2, 2]


def test_the_heavier_team_gets_more_and_owners_within_it_keep_their_weights(
    submit: Submit, claim: Claim, database: Database
) -> None:
    team(database, "vision", "ann", "bob", quota=TeamQuota(weight=3.0))
    team(database, "speech", "cyd", quota=TeamQuota(weight=1.0))
    with database.transaction() as session:
        owners.set_quota(session, "bob", Quota(weight=2.0))
    for owner in ("ann", "bob", "cyd") * 12:
        submit(owner=owner)

    served = owners_of([claim() for _ in range(12)])

    assert [served.count(owner) for owner in ("ann", "bob", "cyd")] == [3, 6, 3]


def test_the_recent_usage_of_a_team_counts(
    submit: Submit, claim: Claim, database: Database, settings: Settings
) -> None:
    team(database, "vision", "ann", "bob", quota=TeamQuota(weight=1.0))
    team(database, "speech", "cyd", quota=TeamQuota(weight=1.0))
    with database.transaction() as session:
        owners.count_usage(session, "ann", 1_000.0, settings.usage_half_life_seconds)
        owners.count_usage(session, "cyd", 500.0, settings.usage_half_life_seconds)
    submit(owner="bob")
    submit(owner="cyd")

    # bob has used nothing, but his team more than cyd's.
    assert owners_of([claim(), claim()]) == ["cyd", "bob"]


def test_a_team_has_a_bound_on_running_runs(
    submit: Submit, claim: Claim, database: Database, settings: Settings
) -> None:
    team(database, "vision", "ann", "bob", quota=TeamQuota(max_running=2))
    last = [submit(owner=owner) for owner in ("ann", "bob") * 2][-1]

    first, second = claim(), claim()
    assert sorted(owners_of([first, second])) == ["ann", "bob"]
    assert claim() is None
    with database.transaction() as session:
        queue = outlook(session, jobs.get(session, last)).queue
        assert queue is not None
        assert queue.at_quota
    assert first is not None
    with database.transaction() as session:
        finishing.succeed(session, first.lease, Success(None, ()), settings)
    assert claim() is not None


def test_an_owner_counts_only_at_home(submit: Submit, claim: Claim, database: Database) -> None:
    team(database, "vision", "ann")
    team(database, "speech", "ann", "bob", quota=TeamQuota(max_running=0, max_queued=0))
    submit(owner="ann")
    assert owners_of([claim()]) == ["ann"]
    with pytest.raises(QuotaExceeded, match="the team 'speech' has 0 unfinished jobs"):
        submit(owner="bob")


def test_a_team_has_a_bound_on_unfinished_jobs(submit: Submit, database: Database) -> None:
    team(database, "vision", "ann", "bob", quota=TeamQuota(max_queued=2))
    first = submit(owner="ann")
    submit(owner="bob")
    for owner in ("ann", "bob"):
        with pytest.raises(QuotaExceeded, match="the team 'vision' has 2 unfinished jobs"):
            submit(owner=owner)
    with database.transaction() as session:
        commands.cancel(session, jobs.get(session, first))
    submit(owner="bob")


def test_a_team_has_a_bound_on_stored_bytes(submit: Submit, database: Database) -> None:
    team(database, "vision", "ann", "bob", quota=TeamQuota(max_stored_bytes=100))
    with database.transaction() as session:
        for owner, stored in (("ann", 60), ("bob", 30)):
            session.get_one(owners.Owner, owner).stored_bytes = stored
    with database.transaction() as session:
        assert owners.room(session, "ann") == owners.room(session, "bob") == 10
        owners.check_room(session, "bob", 10)
        with pytest.raises(QuotaExceeded, match="the team 'vision' stores 90 bytes, may store 100"):
            owners.check_room(session, "bob", 11)


def test_a_change_of_a_team_is_announced(database: Database) -> None:
    with database.transaction() as session:
        connection = session.connection().connection.driver_connection
        assert connection is not None
        connection.execute(f"LISTEN {keys.CHANNEL}")
        teams.put(session, "vision", TeamQuota())
        owners.ensure(session, "ann")
        teams.add_member(session, "vision", "ann")
        session.commit()
        assert [found.channel for found in connection.notifies(timeout=5, stop_after=1)] == [
            keys.CHANNEL
        ]
