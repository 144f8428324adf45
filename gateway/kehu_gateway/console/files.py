"""Reads the built console once and answers from memory."""

from __future__ import annotations

import gzip
import mimetypes
import secrets
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path, PurePosixPath
from typing import Final

from starlette.responses import Response

from kehu_gateway.web import SECURITY_HEADERS

__all__ = ["Console"]

_NONCE_MARK: Final = "__CSP_NONCE__"
_TEXT: Final = frozenset({".js", ".css", ".html", ".svg", ".json", ".map", ".txt", ".webmanifest"})
_HASHED: Final = "assets"
"""Vite puts the hash of its content into the name of every file below this folder."""
_WORTH_COMPRESSING: Final = 1_400


@dataclass(frozen=True, slots=True)
class _File:
    content: bytes
    compressed: bytes | None
    media_type: str
    etag: str
    hashed: bool


class Console:
    """The files of a built console. A folder without a build gives no page, and `index` then says so.

    Args:
        folder: what Vite built.
    """

    def __init__(self, folder: Path) -> None:
        self._files = {name: _load(folder, name) for name in _names(folder)}
        index = folder / "index.html"
        self._index = index.read_text(encoding="utf-8") if index.is_file() else None

    def file(self, path: str, *, gzip_accepted: bool, known_etag: str | None) -> Response | None:
        """A file by its path below the console's root; None when there is none."""
        found = self._files.get(path)
        if found is None:
            return None
        headers = {
            **SECURITY_HEADERS,
            "ETag": found.etag,
            "Cache-Control": "public, max-age=31536000, immutable" if found.hashed else "no-cache",
            "Vary": "Accept-Encoding",
        }
        if known_etag == found.etag:
            return Response(status_code=304, headers=headers)
        if gzip_accepted and found.compressed is not None:
            return Response(
                found.compressed, media_type=found.media_type, headers={**headers, "Content-Encoding": "gzip"}
            )
        return Response(found.content, media_type=found.media_type, headers=headers)

    def index(self) -> Response:
        """The page that every address of the console begins with; its scripts and styles pass by a fresh nonce."""
        if self._index is None:
            return Response("The console has not been built: make console\n", status_code=503, media_type="text/plain")
        nonce = secrets.token_urlsafe(16)
        policy = (
            f"default-src 'none'; script-src 'self' 'nonce-{nonce}'; style-src 'self' 'nonce-{nonce}';"
            " img-src 'self' data:; font-src 'self'; connect-src 'self'; manifest-src 'self';"
            " form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
        )
        headers = {**SECURITY_HEADERS, "Content-Security-Policy": policy, "Cache-Control": "no-store"}
        return Response(self._index.replace(_NONCE_MARK, nonce), media_type="text/html", headers=headers)


def _names(folder: Path) -> list[str]:
    return [
        path.relative_to(folder).as_posix()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.is_symlink() and path.name != "index.html"
    ]


def _load(folder: Path, name: str) -> _File:
    content = (folder / name).read_bytes()
    suffix = PurePosixPath(name).suffix
    compressible = suffix in _TEXT and len(content) > _WORTH_COMPRESSING
    media_type = mimetypes.guess_type(name)[0] or "application/octet-stream"
    return _File(
        content=content,
        compressed=gzip.compress(content, 6, mtime=0) if compressible else None,
        media_type=media_type,
        etag=f'"{sha256(content).hexdigest()[:20]}"',
        hashed=name.startswith(f"{_HASHED}/"),
    )
