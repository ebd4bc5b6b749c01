"""Redis loses reports that it had acknowledged: the client sends them again, and each counts once."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from trainer_client import (
    AsyncSelectorClient,
    Fallback,
    NotFound,
    Outcome,
    SelectorClient,
    SelectorUnavailable,
)
from trainer_client import _outbox as module
from trainer_client._outbox import Outbox, Ticket
from trainer_client.fake import FakeSelector
from trainer_client.models import Place, Receipt, Selection

RUN = "run"
TASKS = [f"t{number}" for number in range(40)]


@pytest.fixture
def fake() -> FakeSelector:
    return FakeSelector.with_run(RUN, TASKS)


@pytest.fixture(params=["memory", "disk"])
def client(fake: FakeSelector, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SelectorClient]:
    fallback = Fallback(TASKS, tmp_path / "spool") if request.param == "disk" else None
    with client_of(fake, fallback) as made:
        yield made


def client_of(fake: FakeSelector, fallback: Fallback | None = None) -> SelectorClient:
    return SelectorClient("http://selector", RUN, transport=fake.transport, fallback=fallback, max_retries=0)


def seen(selection: Selection) -> list[Outcome]:
    return [Outcome(task=task, successes=1, trials=4) for task in selection.tasks]


def step(client: SelectorClient) -> Selection:
    """Select and report."""
    selection = client.select(4)
    assert client.report(selection, seen(selection)).committed
    return selection


def counts(fake: FakeSelector, *selections: Selection) -> None:
    """Of all tasks each report of these counts once, and no other."""
    expected: dict[str, tuple[float, int]] = {}
    for selection in selections:
        for task in selection.tasks:
            successes, trials = expected.get(task, (0.0, 0))
            expected[task] = (successes + 1, trials + 4)
    assert fake.evidence(RUN) == expected


def test_reports_of_selections_that_are_lost_too_come_back(
    fake: FakeSelector, client: SelectorClient, caplog: pytest.LogCaptureFixture
) -> None:
    kept = step(client)
    fake.backup()
    lost = [step(client) for _ in range(3)]
    fake.restore()
    later = step(client)
    counts(fake, kept, *lost, later)
    assert "Redis has lost 3 reports" in caplog.text
    assert step(client)
    assert caplog.text.count("Redis has lost") == 1


def test_parts_of_a_selection_that_is_still_there_come_back_to_it(
    fake: FakeSelector, client: SelectorClient
) -> None:
    selection = client.select(4)
    first, *rest = seen(selection)
    fake.backup()
    client.report(selection, [first])  # no event of the log: it waits for the commit
    fake.restore()
    receipt = client.report(selection, rest)
    assert receipt.remaining == 1
    counts(fake, selection)
    assert [event["type"] for event in client.events()].count("committed") == 1


def test_evaluations_and_reports_without_a_selection_come_back(
    fake: FakeSelector, client: SelectorClient
) -> None:
    fake.backup()
    client.report_evaluation("eval", [Outcome(task="t0", successes=1, trials=2)])
    client.report_unsolicited("own", [Outcome(task="t1", successes=1, trials=2)])
    fake.restore()
    client.report_unsolicited("other", [Outcome(task="t2", successes=1, trials=2)])
    client.flush()
    assert fake.evidence(RUN) == {"t0": (1, 2), "t1": (1, 2), "t2": (1, 2)}


def test_other_workers_that_go_on_first_hide_nothing(fake: FakeSelector, client: SelectorClient) -> None:
    with client_of(fake) as other:
        fake.backup()
        lost = step(client)
        fake.restore()
        others = [step(other) for _ in range(5)]  # the log is longer than it was
        later = step(client)
    counts(fake, lost, *others, later)


def test_a_second_loss_is_noticed_too(fake: FakeSelector, client: SelectorClient) -> None:
    fake.backup()
    selections: list[Selection] = []
    for _ in range(3):
        selections += [step(client), step(client)]
        fake.restore()
    selections.append(step(client))
    counts(fake, *selections)


def test_while_nothing_is_lost_nothing_is_sent_again(fake: FakeSelector, client: SelectorClient) -> None:
    for _ in range(3):
        step(client)
    before = len(fake.requests)
    step(client)
    assert len(fake.requests) == before + 2


def test_a_report_whose_reply_was_lost_is_no_loss(fake: FakeSelector) -> None:
    with SelectorClient("http://selector", RUN, transport=fake.transport, max_retries=1) as client:
        selection = client.select(2)
        fake.lose_replies(1)
        assert client.report(selection, seen(selection)).duplicates == 2
        before = len(fake.requests)
        later = step(client)
        assert len(fake.requests) == before + 2
        counts(fake, selection, later)


def test_a_retry_behind_a_loss_hides_nothing(fake: FakeSelector) -> None:
    """A report whose reply was lost is taken twice: the numbers that Redis counts are soon where they were."""
    with SelectorClient("http://selector", RUN, transport=fake.transport, max_retries=3) as client:
        kept = step(client)
        fake.backup()
        lost = [step(client), step(client)]
        fake.restore()
        selection = client.select(4)
        fake.lose_replies(3)
        client.report(selection, seen(selection))
    counts(fake, kept, *lost, selection)


def test_a_report_that_arrives_again_behind_a_loss_hides_nothing(
    fake: FakeSelector, client: SelectorClient
) -> None:
    kept = step(client)
    fake.backup()
    lost = [step(client), step(client)]
    late = [request for request in fake.requests if request.url.path.endswith("report")]
    fake.restore()
    for request in late[:1] * 4:
        assert again(fake, request).is_success
    assert not again(fake, late[-1]).is_success  # its selection is lost
    counts(fake, kept, *lost, step(client))


def test_what_arrives_again_behind_a_loss_is_not_sent_once_more(
    fake: FakeSelector, client: SelectorClient, caplog: pytest.LogCaptureFixture
) -> None:
    selection, other = client.select(4), client.select(4)
    fake.backup()
    client.report(selection, seen(selection))
    back = fake.requests[-1]
    client.report(other, seen(other))
    fake.restore()
    assert again(fake, back).is_success
    later = step(client)
    counts(fake, selection, other, later)
    assert "Redis has lost 1 reports" in caplog.text


def test_reports_that_are_sent_at_once_and_arrive_in_another_order_are_no_loss(
    fake: FakeSelector, client: SelectorClient
) -> None:
    """What is on its way when a report is sent may be asked for by a later one."""
    selections = [client.select(4) for _ in range(3)]
    outbox, lost = Outbox(), list[bytes]()
    outbox.on_lost = lost.append
    tickets = [outbox.ticket(RUN) for _ in selections]

    def send(selection: Selection, ticket: Ticket) -> None:
        body = json.dumps(
            {
                "run": RUN,
                "selection": selection.selection,
                "outcomes": [{"task": task, "successes": 1, "trials": 4} for task in selection.tasks],
            }
        ).encode()
        stamp = f"{outbox.id} {ticket.number} {ticket.lowest}"
        headers = {"Content-Type": "application/json", "X-Bots-Outbox": stamp}
        with httpx.Client(transport=fake.transport) as network:
            answer = network.post("http://selector/report", content=body, headers=headers)
        outbox.keep(RUN, body, Receipt.model_validate(answer.json()), ticket)

    for place in (0, 2, 1):
        send(selections[place], tickets[place])
    later = client.select(4)
    send(later, outbox.ticket(RUN))
    assert not lost
    counts(fake, *selections, later)


def test_a_report_that_was_given_up_is_asked_for_no_more(fake: FakeSelector) -> None:
    with client_of(fake) as client:
        unheard = client.select(4)
        fake.fail_next(1)
        with pytest.raises(SelectorUnavailable):
            client.report(unheard, seen(unheard))
        ticket = client._calls._outbox.ticket(RUN)
        assert ticket.lowest == ticket.number


def again(fake: FakeSelector, request: httpx.Request) -> httpx.Response:
    """The answer to a request that the network has played once more."""
    with httpx.Client(transport=fake.transport) as network:
        return network.send(
            httpx.Request(request.method, request.url, headers=request.headers, content=request.content)
        )


def test_what_a_process_has_sent_and_not_kept_hides_nothing_of_the_next(
    fake: FakeSelector, tmp_path: Path
) -> None:
    """It died before the acknowledgement: the next one's reports are other ones than those."""
    with client_of(fake, Fallback(TASKS, tmp_path)) as client:
        kept, unheard = step(client), client.select(4)
        fake.lose_replies(3)
        for _ in range(3):
            assert client.report(unheard, seen(unheard)).spooled
    for waiting in tmp_path.glob("*.json"):
        waiting.unlink()
    fake.backup()
    with client_of(fake, Fallback(TASKS, tmp_path)) as client:
        lost = [step(client) for _ in range(3)]
        fake.restore()
        later = step(client)
        counts(fake, kept, unheard, *lost, later)


def test_a_run_that_was_made_anew_gets_nothing_of_the_former(
    fake: FakeSelector, client: SelectorClient
) -> None:
    step(client)
    step(client)
    client.delete_run(RUN)
    client.create_run(RUN, "pool")
    counts(fake, step(client))


def test_a_run_whose_deletion_was_lost_gets_its_reports_again(
    fake: FakeSelector, client: SelectorClient
) -> None:
    fake.backup()
    lost = [step(client), step(client)]
    client.delete_run(RUN)
    client.create_run(RUN, "pool")
    step(client)
    fake.restore()
    counts(fake, *lost, step(client))


def test_drops_and_refused_reports_are_said_and_given_up(
    fake: FakeSelector, client: SelectorClient, caplog: pytest.LogCaptureFixture
) -> None:
    fake.backup()
    dropped = client.select(1)
    client.report(dropped, [], dropped={dropped.tasks[0]: "timeout"})
    fake.restore()
    later = step(client)
    counts(fake, later)
    assert "its 0 outcomes" in caplog.text


def test_what_is_lost_waits_while_the_service_is_away(
    fake: FakeSelector, monkeypatch: pytest.MonkeyPatch
) -> None:
    with client_of(fake) as client:
        fake.backup()
        lost = [step(client), step(client)]
        fake.restore()
        outbox = client._calls._outbox

        def keep(*arguments: Any) -> None:
            Outbox.keep(outbox, *arguments)
            fake.fail_next(1)  # the call behind the report

        with monkeypatch.context() as patch:
            patch.setattr(outbox, "keep", keep)
            later = step(client)
        assert len(outbox.lost) == 2
        assert client.flush() == 0
        counts(fake, *lost, later)


def test_a_refused_one_does_not_keep_others_waiting(
    fake: FakeSelector, caplog: pytest.LogCaptureFixture
) -> None:
    with client_of(fake) as client:
        fake.backup()
        lost = [step(client), step(client)]
        fake.restore()
        client._calls._outbox.lost.append(b'{"run": "no run", "selection": "s", "outcomes": []}')
        later = step(client)
        counts(fake, *lost, later)
    assert "refused a report that Redis has lost" in caplog.text


@pytest.mark.anyio
async def test_the_async_client_does_the_same(fake: FakeSelector) -> None:
    async with AsyncSelectorClient("http://selector", RUN, transport=fake.transport) as client:
        fake.backup()
        lost = await client.select(4)
        await client.report(lost, seen(lost))
        fake.restore()
        later = await client.select(4)
        await client.report(later, seen(later))
    counts(fake, lost, later)


def test_the_next_process_on_the_folder_sends_what_was_lost_meanwhile(
    fake: FakeSelector, tmp_path: Path
) -> None:
    fake.backup()
    with client_of(fake, Fallback(TASKS, tmp_path)) as client:
        lost = [step(client), step(client)]
    fake.restore()
    with client_of(fake, Fallback(TASKS, tmp_path)) as client:
        later = step(client)
        assert client.flush() == 0
    counts(fake, *lost, later)


def test_two_processes_on_a_folder_have_an_outbox_each(tmp_path: Path) -> None:
    first, second = Outbox(tmp_path), Outbox(tmp_path)
    assert first.id != second.id
    first.close()
    assert Outbox(tmp_path).id == first.id


def receipt(*taken: tuple[int, int], incarnation: str = "a") -> Receipt:
    place = Place(incarnation=incarnation, number=1, taken=list(taken))
    return Receipt(selection="s", accepted=1, duplicates=0, remaining=0, committed=True, step=1, place=place)


EVERYTHING = receipt((1, 10**15))


def test_the_last_reports_are_kept_so_many_and_so_large(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_REPORTS", 5)
    monkeypatch.setattr(module, "MOST_BYTES", 100)
    outbox = Outbox(tmp_path)
    for _ in range(8):
        outbox.keep(RUN, b'{"run": "run"}', EVERYTHING, outbox.ticket(RUN))
    assert len(list(tmp_path.glob("*/*.json"))) == 5
    ticket = outbox.ticket(RUN)
    assert ticket.number - ticket.lowest == 5  # what Redis is asked for is bounded by what is kept
    outbox.keep(RUN, b'{"run": "run"}' + b" " * 80, EVERYTHING, ticket)
    assert len(list(tmp_path.glob("*/*.json"))) == 1


def test_a_file_that_was_not_finished_is_no_report(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path)
    ticket = outbox.ticket(RUN)
    outbox.keep(RUN, b'{"run": "run"}', EVERYTHING, ticket)
    outbox.close()
    (tmp_path / outbox.id / f"{ticket.number + 1}-a.json").write_bytes(b'{"run": "r')
    (tmp_path / outbox.id / "lock").write_bytes(b"")
    following = Outbox(tmp_path).ticket(RUN)
    assert (following.turn, following.lowest) == (1, ticket.number)
    assert following.number > ticket.number + 1_000_000


def test_receipts_that_come_out_of_order_are_no_loss() -> None:
    """Threads share a client: what is sent later may be acknowledged earlier."""
    outbox = Outbox()
    first, second, third = (outbox.ticket(RUN) for _ in range(3))
    outbox.keep(RUN, b"2", receipt((2, 2)), second)
    outbox.keep(RUN, b"1", receipt((1, 2)), first)
    outbox.keep(RUN, b"3", receipt((3, 3)), third)  # it was sent before the others were acknowledged
    assert not outbox.lost
    fourth, fifth = outbox.ticket(RUN), outbox.ticket(RUN)
    outbox.keep(RUN, b"4", receipt((3, 4)), fourth)
    assert list(outbox.lost) == [b"2", b"1"]
    outbox.keep(RUN, b"5", receipt((3, 5)), fifth)
    assert len(outbox.lost) == 2


def test_a_hole_that_was_never_acknowledged_is_no_loss() -> None:
    """As of reports that were refused, or that never arrived."""
    outbox = Outbox()
    first, _, third, fourth = (outbox.ticket(RUN) for _ in range(4))
    outbox.keep(RUN, b"1", receipt((1, 1)), first)
    outbox.keep(RUN, b"3", receipt((1, 1), (3, 3)), third)
    outbox.keep(RUN, b"4", receipt((1, 1), (3, 4)), fourth)
    outbox.keep(RUN, b"5", receipt((1, 1), (3, 5)), outbox.ticket(RUN))
    assert not outbox.lost


def test_a_receipt_of_a_former_run_that_comes_late_changes_nothing() -> None:
    outbox = Outbox()
    late = outbox.ticket(RUN)
    outbox.keep(RUN, b"2", receipt((2, 2), incarnation="b"), outbox.ticket(RUN))
    outbox.keep(RUN, b"1", receipt((1, 1)), late)
    outbox.keep(RUN, b"3", receipt((3, 3), incarnation="b"), outbox.ticket(RUN))
    assert list(outbox.lost) == [b"2"]


def test_threads_that_share_a_client_lose_nothing(fake: FakeSelector) -> None:
    with client_of(fake) as client:
        fake.backup()
        selections: list[Selection] = []

        def work() -> None:
            for _ in range(5):
                selections.append(step(client))

        for _ in range(2):
            threads = [threading.Thread(target=work) for _ in range(4)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            if len(selections) == 20:
                fake.restore()
        client.flush()
    counts(fake, *selections)


def test_a_service_of_an_older_release_tells_no_place(fake: FakeSelector) -> None:
    outbox = Outbox()
    outbox.keep(RUN, b"1", receipt().model_copy(update={"place": None}), outbox.ticket(RUN))
    assert outbox.ticket(RUN).turn == 0


def test_a_first_report_of_a_selection_that_is_not_there_is_refused_as_ever(
    fake: FakeSelector, caplog: pytest.LogCaptureFixture
) -> None:
    with client_of(fake) as client:
        fake.backup()
        selection = client.select(2)
        fake.restore()
        with caplog.at_level(logging.WARNING), pytest.raises(NotFound):
            client.report(selection, seen(selection))
