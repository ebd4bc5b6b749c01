"""The files of the service's own pages, as they lie in the package: no build, and nothing from anywhere else.

A page may load and ask only what this service gives, and no page of others may frame it.
"""

from __future__ import annotations

import gzip
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path

from fastapi import Request, Response

FOLDER = Path(__file__).parent
CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cache-Control": "no-cache",  # asked for again each time, and answered by a 304
    "Vary": "Accept-Encoding",
}
_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
}


@dataclass(frozen=True)
class StaticFile:
    """A file as it is sent."""

    body: bytes
    gzipped: bytes
    media_type: str
    etag: str

    @classmethod
    def read(cls, path: Path) -> StaticFile:
        """The file at this path."""
        body = path.read_bytes()
        etag = f'"{sha256(body).hexdigest()[:32]}"'
        return cls(body, gzip.compress(body, 9, mtime=0), _TYPES[path.suffix], etag)


@cache
def _file(path: Path) -> StaticFile:
    return StaticFile.read(path)


def files_of(folder: str) -> dict[str, Path]:
    """The files of one of the folders here, by their paths in it."""
    root = FOLDER / folder
    found = (path for path in sorted(root.rglob("*")) if path.suffix in _TYPES)
    return {path.relative_to(root).as_posix(): path for path in found}


def static_answer(request: Request, path: Path) -> Response:
    """A file; a 304 if the asker has it."""
    file = _file(path)
    headers = {**HEADERS, "ETag": f"W/{file.etag}"}
    if file.etag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    if "gzip" in request.headers.get("accept-encoding", ""):
        return Response(
            file.gzipped, media_type=file.media_type, headers={**headers, "Content-Encoding": "gzip"}
        )
    return Response(file.body, media_type=file.media_type, headers=headers)
