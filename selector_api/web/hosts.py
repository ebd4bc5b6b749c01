"""By which names the service may be called: the Host header of every call.

A page in a browser cannot call a service on its user's machine or network by pointing a name of its own at it (DNS
rebinding), since the browser then sends that name. An IP address as Host can be no such name: it always passes,
and with it probes and scrapes.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

from selector_api.web.problems import MISDIRECTED_REQUEST, Problem


class Hosts:
    """Names that are allowed.

    Args:
        names: in any case and without port. `*.example.org` stands for all names below it, `*` for all names.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self._names = frozenset(name.lower() for name in names)

    def check(self, host: str) -> None:
        """Refuse another name.

        Args:
            host: the value of the Host header (RFC 9110, section 7.2), with or without a port.

        Raises:
            Problem: misdirected-request.
        """
        name = _without_port(host).lower().removesuffix(".")
        if not (_is_address(name) or self._names & {"*", name, *_above(name)}):
            raise Problem(
                MISDIRECTED_REQUEST,
                "Host: the service may not be called by this name; SELECTOR_ALLOWED_HOSTS tells by which",
            )


def _without_port(host: str) -> str:
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0]


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _above(name: str) -> Iterable[str]:
    """`*.b.c` and `*.c` for `a.b.c`."""
    labels = name.split(".")
    return (f"*.{'.'.join(labels[at:])}" for at in range(1, len(labels)))
