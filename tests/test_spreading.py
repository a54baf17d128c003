"""Groups are disjoint, and a lost worker costs its group only."""

from concurrent.futures import Future

import pytest

from robobench.errors import RobobenchError
from robobench.evaluation import carried, spreading, worker
from robobench.evaluation.configuration import Configuration
from robobench.evaluation.groups import Group, Outcome, divide
from robobench.evaluation.plan import prepare
from robobench.evaluation.spreading import ATTEMPTS, spread
from robobench.evaluation.worker import Opened, Worker
from robobench.results.store import Store
from robobench.weights import storage

SETTINGS = {"methods": "median", "severities": "1-3", "limit": 100}


class Lost(Exception):
    """What a worker that is gone raises."""


def future(result):
    made = Future()
    if isinstance(result, Exception):
        made.set_exception(result)
    else:
        made.set_result(result)
    return made


class Place:
    """Workers in this process, some of which are lost: `fates` tells, one call after the other."""

    lost = (Lost,)

    def __init__(self, fates=(), openings=(), room=2):
        self.fates, self.openings, self._room = list(fates), list(openings), room
        self.calls, self.hired, self.stopped = [], 0, 0

    def room(self):
        return self._room

    def hire(self):
        self.hired += 1
        return self

    def open(self):
        return future(self.openings.pop(0) if self.openings else Opened(0))

    def evaluate(self, group):
        self.calls.append(group)
        return future(self.fates.pop(0) if self.fates else Outcome(predictions=len(self.calls)))

    def close(self):
        return future(None)

    def stop(self):
        self.stopped += 1

    def why_lost(self, error):
        return f"gone: {error}"


@pytest.fixture
def plan(tmp_path):
    settings = SETTINGS | {"corruptions": "jpeg,fog,gaussian_noise"}
    return prepare(Configuration(out=str(tmp_path), **settings))


@pytest.fixture
def groups(plan):
    return [Group((condition,), (), {}) for condition in plan.grid.conditions()[:6]]


def test_groups_are_disjoint_and_complete(plan, tmp_path):
    groups = divide(plan, Store(tmp_path), 2)
    conditions = [condition for group in groups for condition in group.conditions]
    assert conditions == plan.grid.conditions()  # clean among them, once
    assert {cell for group in groups for cell in group.cells} == set(plan.grid.cells())


@pytest.mark.parametrize(("least", "workers", "expected"), [(1, 2, 5), (1, 20, 10), (10**6, 2, 1)])
def test_a_group_is_worth_its_while(plan, tmp_path, monkeypatch, least, workers, expected):
    monkeypatch.setattr("robobench.evaluation.groups._LEAST_PREDICTIONS", least)
    assert len(divide(plan, Store(tmp_path), workers)) == expected


def test_a_lost_worker_costs_its_group_only(groups):
    place, taken = Place([Outcome(), Lost("a"), Outcome(), Lost("b")]), []
    assert spread(groups, place, taken.append) == []
    assert len(taken) == len(groups)
    assert len(place.calls) == len(groups) + 2
    assert {id(group) for group in place.calls} == set(map(id, groups))
    assert place.hired == place.stopped == 4


def test_a_group_that_costs_one_worker_after_the_other_is_given_up(plan, groups):
    cell = plan.grid.cells()[0]
    deadly = Group(groups[0].conditions, (cell,), {})

    class Deadly(Place):
        def evaluate(self, group):
            made = super().evaluate(group)
            return future(Lost("killed")) if group is deadly else made

    place, taken = Deadly(), []
    (failure,) = spread([deadly, *groups[1:]], place, taken.append)
    assert failure.cell == cell
    assert failure.reason == f"{ATTEMPTS} workers were lost over it: gone: killed"
    assert len(taken) == len(groups) - 1
    assert place.calls.count(deadly) == ATTEMPTS


def test_workers_that_are_lost_before_they_begin_end_the_run(groups):
    place = Place(openings=[Lost("no module")] * 9)
    with pytest.raises(RobobenchError, match="gone: no module"):
        spread(groups, place, print)
    assert place.stopped == place.hired
    assert not place.calls


@pytest.mark.parametrize("place", [
    Place(openings=[Opened(0, "no such folder")]),
    Place([Outcome(mistake="no such folder")]),
])  # fmt: skip
def test_a_mistake_that_a_worker_tells_ends_the_run(groups, place):
    with pytest.raises(RobobenchError, match=r"^no such folder$"):
        spread(groups, place, print)
    assert place.stopped == place.hired


def test_without_machines_a_run_ends(groups, monkeypatch):
    monkeypatch.setattr(spreading, "_SECONDS_WITHOUT_ROOM", 0.1)
    monkeypatch.setattr(spreading, "_SECONDS_OF_ONE_LOOK", 0.02)
    with pytest.raises(RobobenchError, match="no machine is left to compute on"):
        spread(groups, Place(room=0), print)


def test_other_versions_are_refused(plan, monkeypatch):
    there = carried.job_of(plan, "cpu", None, carry=True)
    monkeypatch.setattr(worker, "versions", lambda: {**there.versions, "torch": "1.0"})
    monkeypatch.setattr(worker.os, "chdir", lambda folder: None)
    one = Worker(there)
    told = one.open().mistake
    one.close()
    assert "torch is 1.0 there and 2." in told
    assert "\n" not in told


def test_weights_that_are_lost_and_not_used_stop_no_run(plan):
    (card,) = storage.find("org", dataset="shapes10", backbone_name="vgg-tiny", train_seed=0)
    kept = storage.user_folder() / card.name
    kept.write_bytes(card.read_bytes())
    assert list(carried.job_of(plan, "cpu", None, carry=True).files) == [str(kept)]
