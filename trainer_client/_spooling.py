"""Select and report with a fallback: what is drawn here, what waits on disk, and when it is sent."""

from trainer_client._exchange import Plan, Request, answer_of, exchange
from trainer_client.errors import ApiError, BatchTooLarge, Forbidden, SelectorUnavailable, Unauthorized
from trainer_client.fallback import Fallback, logger
from trainer_client.models import Receipt, Selection


def report_request(body: bytes) -> Request:
    """The request of a report, from the body that is also what waits on disk."""
    return Request("POST", "report", body, headers={"Content-Type": "application/json"})


class Spooling:
    """The calls of a training that goes on while the service is away (see `fallback`)."""

    def __init__(self, fallback: Fallback, max_retries: int):
        self._fallback = fallback
        self._max_retries = max_retries

    def select(self, request: Request, run: str, batch_size: int, key: str) -> Plan[Selection]:
        """The service's selection, or one of the fallback's if it gives none."""
        fallback = self._fallback
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

    def report(self, request: Request, selection: Selection) -> Plan[Receipt]:
        """One report; it is on disk before the first attempt, and until the service acknowledged it."""
        fallback = self._fallback
        spooled = fallback.spool.put(request.content)
        try:
            yield from self._send_waiting()
            receipt = yield from exchange(request, answer_of(Receipt), self._patience)
        except SelectorUnavailable as error:
            fallback.lost(error)
            return fallback.receipt(selection)
        except (Unauthorized, Forbidden):
            raise  # the token is at fault, not the report: it stays on disk for a client with a better one
        except ApiError:
            fallback.spool.remove(spooled)
            raise
        else:
            fallback.spool.remove(spooled)
            fallback.found(receipt.step)
            return receipt
        finally:
            fallback.spool.release(spooled)

    def flush(self) -> Plan[int]:
        """Send what waits on disk; the number of reports that still do."""
        try:
            yield from self._send_waiting()
        except SelectorUnavailable as error:
            self._fallback.lost(error)
        return len(self._fallback.spool)

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
        fallback, spool = self._fallback, self._fallback.spool
        name = ""
        while (report := spool.take(after=name)) is not None:
            name = report.name
            try:
                receipt = yield from exchange(report_request(report.body), answer_of(Receipt), 0)
            except (Unauthorized, Forbidden):
                raise  # the next report would fare no better, and the caller has to know
            except ApiError as error:
                spool.reject(report, str(error))
            except SelectorUnavailable as error:
                # A report on which the service itself fails must not keep the others waiting.
                if error.status != 500:
                    if fallback.away:
                        raise
                    return
            else:
                spool.remove(report)
                fallback.found(receipt.step)
            finally:
                spool.release(report)
