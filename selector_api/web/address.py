"""The address to listen on: tried first of all, so that what is wrong with it is said in plain words."""

from __future__ import annotations

import errno
import socket

from selector_api.settings import Settings


class UnusableAddress(Exception):
    """The service cannot listen there."""


def check_address(settings: Settings) -> None:
    """Refuse a host or port on which the service could not listen.

    Raises:
        UnusableAddress: with what to do.
    """
    host, port = settings.host, settings.port
    try:
        addresses = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError as error:
        raise UnusableAddress(
            f"host: {host!r} is no address that this machine knows ({error.strerror})"
        ) from error
    for family, kind, protocol, _, address in addresses:
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            try:
                probe.bind(address)
            except OSError as error:
                raise UnusableAddress(_words(error, host, port)) from error


def _words(error: OSError, host: str, port: int) -> str:
    match error.errno:
        case errno.EADDRINUSE:
            return (
                f"port: address already in use: something else listens on port {port} of {host}. Choose another "
                "with --port (or SELECTOR_PORT; 0 takes a free one), or end what listens there"
            )
        case errno.EACCES:
            return f"port: {port} needs more rights than this user has; choose one from 1024 on with --port"
        case errno.EADDRNOTAVAIL:
            return f"host: {host!r} is no address of this machine; choose one with --host (or SELECTOR_HOST)"
        case _:
            return f"host, port: {host} and {port} cannot be listened on ({error.strerror})"
