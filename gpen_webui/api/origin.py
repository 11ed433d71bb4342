"""Keeps pages of other sites from using /gpen/v1 through the browser of somebody who opened them.

A browser sends such a request without asking first as long as it is a simple one, with the user's
cookies and from inside his network. It says where the request comes from, in headers that a page
cannot write; programs that are not browsers send neither of them.
"""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlsplit

from fastapi import HTTPException, Request
from modules import shared

from .body import discard

_OWN = ("same-origin", "none")


async def refuse_other_sites(request: Request) -> None:
    """Lets through what comes from no page, from the host's own one, or from an allowed one.

    Raises:
        HTTPException: 403 for other pages; 415 for a body that is not called JSON, which is what
            a page can send without asking.
    """
    if not _comes_from_here(request):
        await discard(request)
        raise HTTPException(
            403,
            f"pages of {_shortened(request.headers.get('origin', 'other sites'))} may not use "
            "/gpen/v1; start the WebUI with --cors-allow-origins to allow them",
        )
    if not _is_json(request):
        await discard(request)
        raise HTTPException(415, "send the body as JSON, with Content-Type: application/json")


def _comes_from_here(request: Request) -> bool:
    origin, site = (request.headers.get(name) for name in ("origin", "sec-fetch-site"))
    if site in _OWN or (origin is None and site is None):
        return True
    if origin is None:
        return False
    # A proxy may have put a name of its own into Host.
    here = (request.headers.get(name) for name in ("host", "x-forwarded-host"))
    own = site is None and _host_and_port(origin) in [name for name in here if name]
    return own or _is_allowed(origin)


def _host_and_port(origin: str) -> str | None:
    """Host and port of an origin; None if it is not an address."""
    try:
        return urlsplit(origin).netloc
    except ValueError:  # such as a bracket that is not closed
        return None


def _is_allowed(origin: str) -> bool:
    """Whether the flags that the host has for its own routes name the origin."""
    flags: Any = shared.cmd_opts
    listed = (getattr(flags, "cors_allow_origins", None) or "").split(",")
    pattern = getattr(flags, "cors_allow_origins_regex", None)
    return bool({"*", origin} & set(listed)) or bool(pattern and re.fullmatch(pattern, origin))


def _is_json(request: Request) -> bool:
    """Whether the body is called JSON; without a body that may be left out."""
    kind = request.headers.get("content-type")
    if kind is None:
        sent = request.headers.get("content-length", "0") != "0"
        return not sent and "transfer-encoding" not in request.headers
    return kind.partition(";")[0].strip().lower() == "application/json"


def _shortened(origin: str) -> str:
    return origin if len(origin) <= 80 else origin[:80] + "…"
