"""The console's pages and files: whatever no other route answers."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Any, Final

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from kehu_chassis.problems import NotFound
from kehu_gateway.resources import resources_of

__all__ = ["documents", "routes"]

routes = APIRouter(include_in_schema=False)
documents = APIRouter(include_in_schema=False)
_NOT_THE_CONSOLES: Final = ("api/", "auth/", "oauth2/", ".well-known/", "health/")


@documents.get("/openapi.json", response_class=JSONResponse)
async def read_whole_document(request: Request) -> JSONResponse:
    """The API document of the whole suite."""
    own: dict[str, Any] = request.app.openapi()
    return JSONResponse(await resources_of(request).documents.whole(own), headers={"Cache-Control": "max-age=30"})


@routes.get("/{path:path}", response_class=Response)
async def show_console(path: str, request: Request) -> Response:
    """A file of the console, or its page for an address that the console itself understands."""
    if path.startswith(_NOT_THE_CONSOLES):
        raise NotFound
    console = resources_of(request).console
    found = console.file(
        path,
        gzip_accepted="gzip" in request.headers.get("accept-encoding", ""),
        known_etag=request.headers.get("if-none-match"),
    )
    if found is not None:
        return found
    # An address with a suffix is a file that is not there; every other one is a page of the console.
    if PurePosixPath(path).suffix:
        raise NotFound
    return console.index()
