"""Chunks and snapshots begin with a line that names their format and version, and a checksum."""

from __future__ import annotations

import zlib
from collections.abc import Sequence

from selector_api.store.errors import UnreadableData


def sealed(format_line: bytes, content: bytes) -> bytes:
    """The content with its format, a line, and a checksum before it."""
    return format_line + zlib.crc32(content).to_bytes(4) + content


def unsealed(data: bytes, formats: Sequence[bytes], what: str) -> tuple[bytes, bytes]:
    """The format of what was sealed, one of these, of which the first is today's; and its content.

    Raises:
        UnreadableData: it is damaged, or of another format.
    """
    for format_line in formats:
        if data.startswith(format_line):
            checksum, content = data[len(format_line) :][:4], data[len(format_line) + 4 :]
            if checksum != zlib.crc32(content).to_bytes(4):
                raise UnreadableData(f"a {what} is damaged: restore Redis from a backup")
            return format_line, content
    found, today = data[:40].partition(b"\n")[0], formats[0].strip()
    raise UnreadableData(
        f"a {what} of format {found!r} is not known here (this is {today!r}): "
        "use the release that wrote it, or a later one"
    )
