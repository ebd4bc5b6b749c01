"""Where the model stands while it trains: μ by domain, as its run's selector says."""

from collections.abc import Callable, Mapping
from contextlib import ExitStack

from trainer_client import ApiError, SelectorClient, SelectorUnavailable

Capability = Mapping[str, float | None]

# It is only shown: who trains does not wait for it.
PATIENCE_SECONDS = 1.0


def capability_at(url: str, opened: ExitStack) -> Callable[[str], Capability]:
    """A function that asks for a run's μ by domain (None: not known), and gives none if there is no answer.

    Args:
        url: Where the selector is.
        opened: Closes the connection.
    """
    try:
        client = opened.enter_context(SelectorClient(url, timeout=PATIENCE_SECONDS, max_retries=0))
    except ValueError:  # not a URL: the training says so
        return lambda run: {}

    def ask(run: str) -> Capability:
        try:
            return client.run_status(run).capability
        except (ApiError, SelectorUnavailable):
            return {}

    return ask
