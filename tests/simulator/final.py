"""What must hold when all is over, of each run: its log, what folds from it, what replicas have and have said."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from selector_api.core import snapshot
from selector_api.core.snapshot import Arrays, Header
from selector_api.core.state import RunState
from selector_api.store.codec import decode_events
from selector_api.store.keys import pool_keys, report_field, run_keys
from selector_api.store.segments import unpacked
from tests.promises import logs
from tests.promises.rows import Drop
from tests.simulator.operations import POOL, AddTasks, ReportWithout, Retire, view
from tests.simulator.watched import Watched

if TYPE_CHECKING:
    from tests.simulator.schedule import Schedule


async def check(schedule: Schedule) -> None:
    """Every run that there is; all leases have ended by now."""
    await _complete(schedule)
    registered = {name.decode() for name in schedule.server.wire.call("HKEYS", pool_keys(POOL).runs)}
    if schedule.witness.runs.keys() - registered:
        assert schedule.witness.losses, "a run that its pool does not know"
        schedule.begin_anew()  # which mends that: a run is back whose deletion Redis has lost
    for trainer in schedule.trainers:
        await trainer.finish()
    judged = {name: watched for name, watched in schedule.witness.runs.items() if not watched.is_astray}
    for name, watched in judged.items():
        for replica in schedule.replicas:  # each may have to note that events are gone
            await (await replica.store.live_runs.of(name)).glance(lambda state: None)
        assert watched.model.course.tasks == list(schedule.witness.tasks), "a run has not grown with its pool"
        assert watched.model.pool.retired == schedule.witness.retired, "a run has not followed its pool"
        keys, call = run_keys(name), schedule.server.wire.call
        segments = call("LRANGE", keys.segments, 0, -1)
        packed = [line for segment in segments for line in unpacked(segment)]
        packed += call("LRANGE", keys.log, 0, -1)
        events = [{"seq": seq, **event} for seq, event in enumerate(decode_events(packed), 1)]
        table = logs.table_of(list(schedule.witness.tasks.values()))
        is_fork = watched.model.parent is not None
        state = logs.check_draws(events, table, inherited=len(events) if is_fork else 0)
        _check_log(events, watched, is_fork)
        _check_state(state, watched)
        folded = snapshot.taken(state)
        for replica in schedule.replicas:
            live_run = await replica.store.live_runs.of(name)
            await live_run.glance(lambda live, folded=folded: _check_same(live, folded))
        assert (call("ZCARD", keys.leases), call("LLEN", keys.pending)) == (0, 0), "something waits for ever"
        _check_acknowledged(schedule, events, name, watched)


async def _complete(schedule: Schedule) -> None:
    """Make calls that complete what crashes have interrupted, and add again the tasks that runs miss."""
    task = next(iter(schedule.witness.tasks.values()))
    kind = "excluded" if task["id"] in schedule.witness.retired else "included"
    known = [watched.model.pool.tasks for watched in schedule.witness.runs.values() if not watched.is_astray]
    await schedule.ask(AddTasks(tuple(max(known, key=len, default={}).values()) or (task,)))
    await schedule.ask(Retire((task["id"],), kind))


def _check_log(events: list[dict[str, Any]], watched: Watched, is_fork: bool) -> None:
    times = [event["at"] for event in events[1:] if "at" in event]  # a fork is younger than what it took over
    assert times == sorted(times), "time in the log goes back"
    if not is_fork and not any(map(_shares_leased, events)):
        logs.check_order(events)
    expected = [
        sorted((row.source, row.task, row.outcome.successes, row.outcome.trials) for row in commit)
        for commit in watched.model.course.commits
    ]
    assert logs.commits(events) == expected


def _shares_leased(event: dict[str, Any]) -> bool:
    return event.get("config", event).get("share_leased", False)


def _check_state(state: RunState, watched: Watched) -> None:
    told, expected = view(state), watched.model.view()
    assert {name: told[name] for name in expected} == expected
    assert state.config.to_dict() == json.loads(watched.config)
    assert not watched.model.open
    logs.check_dense(logs.rows_of(state), watched.model.course.dense)


def _check_same(live: RunState, folded: tuple[Header, Arrays]) -> None:
    """What a replica has is what folds from the log, bit for bit."""
    (header, arrays), (expected, expected_arrays) = snapshot.taken(live), folded
    assert header == expected
    assert arrays.keys() == expected_arrays.keys()
    for name, array in arrays.items():
        other = expected_arrays[name]
        assert array.dtype == other.dtype, name
        assert array.tobytes() == other.tobytes(), name


def _check_acknowledged(
    schedule: Schedule, events: list[dict[str, Any]], name: str, watched: Watched
) -> None:
    """What was acknowledged of a task counts, or a drop does; where Redis had lost it, it came again: once.

    Drops of selections that are lost are lost with them, and so are reports that name a task which is lost, and
    those of a run that was gone when they were sent again.
    """
    counted = logs.evidence(events)
    tasks = logs.tasks_selected(events)
    dropped = {
        (event["selection"], tasks[event["selection"]][place] if isinstance(place, int) else place)
        for event in logs.of_kind(events, "dropped")
        for place, _ in event["drops"]
    }
    observed = {
        (f"key {event['key']}", task)
        for event in logs.of_kind(events, "observed")
        for task, *_ in event["rows"]
    }
    for selection in tasks:
        for task in tasks[selection]:
            assert not {(selection, task), (f"key {selection}", task)} <= counted.keys(), (
                "an outcome counts twice"
            )
    for trainer in schedule.trainers:
        for number, (incarnation, report) in enumerate(trainer.acknowledged):
            if number in trainer.refused:
                continue
            named = {row.task for row in report.rows}
            if (incarnation, report.run) != (watched.incarnation, name) or named & schedule.witness.lost:
                continue
            key = report.key if isinstance(report, ReportWithout) else report.selection.id
            evaluation = isinstance(report, ReportWithout) and report.evaluation
            fields = {key} | {report_field(key, task, evaluation) for task in named}
            if schedule.witness.losses and fields & (watched.forgotten | watched.forgotten_fields):
                continue  # what was lost may have come again from behind the horizon
            for row in report.rows:
                known = observed if evaluation else counted.keys() | dropped
                is_known = {(key, row.task), (f"key {key}", row.task)} & known
                assert is_known or (isinstance(row.value, Drop) and key not in tasks), "an outcome is lost"
