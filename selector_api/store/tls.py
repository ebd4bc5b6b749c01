"""Redis by TLS: what is looked at before a connection is made, and what one that fails is said to be."""

from __future__ import annotations

import ssl
from pathlib import Path
from urllib.parse import parse_qsl

_OPTION = "ssl_"
_MISUNDERSTOOD = ("reset by peer", "closed by server", "does not answer", "CERTIFICATE_REQUIRED")
"""In what is said of a connection on which one side spoke TLS and the other did not, or not as it was asked to."""


def check_files(url: str) -> None:
    """See that the files can be used which an address of Redis names.

    Raises:
        ValueError: one cannot, or TLS has options and is not asked for; the text names option and file.
    """
    scheme, _, rest = url.partition("://")
    options = {name: text for name, text in parse_qsl(rest.partition("?")[2]) if name.startswith(_OPTION)}
    if options and not scheme.startswith("rediss"):
        raise ValueError(f"{min(options)} is an option of TLS: let the address begin with rediss, not redis")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    folder = options.get("ssl_ca_path")
    if folder and not Path(folder).is_dir():
        raise ValueError(f"ssl_ca_path: there is no folder {folder}")
    if authorities := options.get("ssl_ca_certs"):
        try:
            context.load_verify_locations(authorities)
        except OSError as error:
            raise ValueError(
                f"ssl_ca_certs: {authorities} holds no certificates that can be read: {error}"
            ) from error
    if "ssl_keyfile" in options and "ssl_certfile" not in options:
        raise ValueError("ssl_keyfile is the key of a certificate: give ssl_certfile as well")
    if certificate := options.get("ssl_certfile"):
        key = options.get("ssl_keyfile")
        try:
            context.load_cert_chain(certificate, key, options.get("ssl_password", ""))
        except OSError as error:
            told = f"ssl_certfile, ssl_keyfile: {certificate} and {key}"
            raise ValueError(f"{told} are no certificate and its key: {error}") from error


def state(error: BaseException) -> str:
    """What a connection that failed says of Redis, in a few words for callers."""
    cause = error.__cause__ or error.__context__
    if isinstance(error, ssl.SSLCertVerificationError):
        return "shows a certificate that is not trusted here"
    if isinstance(error, ssl.SSLError):
        return "cannot be reached by TLS"
    return "does not answer" if cause is None else state(cause)


def hint(error: BaseException, *, is_used: bool) -> str:
    """What else the address may need, if Redis was there and the two did not understand each other; else ''."""
    if not any(words in str(error) for words in _MISUNDERSTOOD):
        return ""
    if is_used:
        return (
            "The address asks for TLS: give ssl_certfile and ssl_keyfile if the server asks for a certificate, and "
            "redis instead of rediss if it speaks no TLS"
        )
    return "Let the address begin with rediss instead of redis if the server speaks TLS alone"
