"""Select and report with a fallback: what is drawn here, what waits on disk, and when it is sent."""

import json

from trainer_client._exchange import Plan, Request, answer_of, exchange
from trainer_client._outbox import Outbox, send_report, without_selection
from trainer_client.errors import (
    ApiError,
    BatchTooLarge,
    Forbidden,
    NotFound,
    SelectorUnavailable,
    Unauthorized,
)
from trainer_client.fallback import Fallback, SpooledReport, logger
from trainer_client.models import Receipt, Selection


class Spooling:
    """The calls of a training that goes on while the service is away (see `fallback`)."""

    def __init__(self, fallback: Fallback, max_retries: int, outbox: Outbox):
        self._fallback = fallback
        self._outbox = outbox
        outbox.on_lost = self._wait_for_its_turn
        self._max_retries = max_retries

    def select(
        self, request: Request, run: str, batch_size: int | None, informative: float | None, key: str
    ) -> Plan[Selection]:
        """The service's selection, or one of the fallback's if it gives none."""
        fallback = self._fallback
        if batch_size is None:
            batch_size = fallback.planned(informative or 0.0)
        if batch_size > len(fallback.tasks):
            raise ValueError(
                f"batch_size: got {batch_size}, but the fallback has {len(fallback.tasks)} tasks"
            )
        try:
            yield from self._send_waiting()
            selection = yield from exchange(request, answer_of(Selection), self._patience)
        except SelectorUnavailable as error:
            fallback.lost(error)
            fallback.lost_selection = True
            return fallback.select(run, batch_size, key)
        except BatchTooLarge as error:
            fallback.found(fallback.step)
            if not fallback.lost_selection:
                raise
            logger.warning(
                "the selector has too few tasks left, maybe since it still holds those of a selection that was "
                "lost on its way here; this batch comes from the fallback: %s",
                error,
            )
            return fallback.select(run, batch_size, key)
        fallback.found(selection.step)
        return selection

    def report(self, body: bytes, selection: Selection) -> Plan[Receipt]:
        """One report; it is on disk before the first attempt, and until the service acknowledged it."""
        fallback = self._fallback
        spooled = fallback.spool.put(body)
        try:
            yield from self._send_waiting()
            receipt = yield from self._send(spooled, self._patience)
            yield from self._send_waiting()
        except SelectorUnavailable as error:
            fallback.lost(error)
            return fallback.receipt(selection)
        finally:
            fallback.spool.release(spooled)
        return receipt or fallback.nothing_counted()

    def flush(self) -> Plan[int]:
        """Send what waits on disk; the number of reports that still do."""
        try:
            yield from self._send_waiting()
        except SelectorUnavailable as error:
            self._fallback.lost(error)
        return len(self._fallback.spool)

    def _wait_for_its_turn(self, body: bytes) -> None:
        """Let a report wait on disk that Redis has lost."""
        spool = self._fallback.spool
        spool.release(spool.put(body))

    def end(self) -> None:
        """Say so if reports are left for the folder's next client."""
        if waiting := len(self._fallback.spool):
            logger.warning("%d reports wait in %s for the next client", waiting, self._fallback.spool.folder)

    @property
    def _patience(self) -> int:
        return 0 if self._fallback.away else self._max_retries

    def _send_waiting(self) -> Plan[None]:
        """Send the waiting reports, oldest first, one attempt each.

        While the service is known to be away the first of them is the probe: its failure is raised.
        """
        spool = self._fallback.spool
        name, sent = "", 0
        try:
            while (report := spool.take(after=name)) is not None:
                name = report.name
                try:
                    yield from self._send(report, 0)
                    sent += 1
                except (Unauthorized, Forbidden):
                    raise  # the next report would fare no better, and the caller has to know
                except ApiError:
                    continue  # it is put aside, and the caller of this report was told that it waited
                except SelectorUnavailable as error:
                    # A report on which the service itself fails must not keep the others waiting.
                    if error.status != 500:
                        if self._fallback.away:
                            raise
                        return
                finally:
                    spool.release(report)
        finally:
            if sent:
                logger.info("sent what waited in %s: %d reports", spool.folder, sent)

    def _send(self, report: SpooledReport, max_retries: int) -> Plan[Receipt | None]:
        """Send a report, which then leaves the spool; None if the service has lost all that it could be of.

        What the service refuses is put aside in the spool's folder, unless the token is at fault: then the report
        waits for a client with a better one.
        """
        spool = self._fallback.spool
        try:
            run = json.loads(report.body)["run"]
            receipt = yield from send_report(self._outbox, run, report.body, max_retries)
        except (Unauthorized, Forbidden):
            raise
        except NotFound as error:
            if error.code != "unknown-selection":
                spool.reject(report, str(error))
                raise
            receipt = yield from self._send_without_selection(report, error, max_retries)
        except ApiError as error:
            spool.reject(report, str(error))
            raise
        else:
            spool.remove(report)
        if receipt is not None:
            self._fallback.found(receipt.step)
        return receipt

    def _send_without_selection(
        self, report: SpooledReport, error: NotFound, max_retries: int
    ) -> Plan[Receipt | None]:
        """Send the outcomes of a selection that the service has lost as evidence without one."""
        spool = self._fallback.spool
        body = without_selection(report.body, error)
        if body is None:
            spool.remove(report)
            return None
        instead = spool.put(body)  # Before the first one leaves: nothing is ever on neither.
        spool.remove(report)
        try:
            return (yield from self._send(instead, max_retries))
        finally:
            spool.release(instead)
