"""Who may call /gpen/v1: hosts guard their own routes alone, so this asks for their logins too."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from fastapi import FastAPI, HTTPException, Request
from fastapi.security import HTTPBasic, HTTPBasicCredentials
from modules import shared

from .body import discard

_API_LOGINS = ("api_auth",)
_PAGE_LOGINS = ("gradio_auth", "auth")
_LOGIN_FILES = ("gradio_auth_path", "auth_file")

_log = logging.getLogger("gpen")


def login_of(app: FastAPI) -> Callable[..., Any]:
    """The check of who asks.

    With --api-auth those names and passwords are asked for; with only a login for the page, either
    that page's cookie or the same names and passwords. A flag from which no login can be read
    admits nobody.
    """
    flags = shared.cmd_opts
    basic = HTTPBasic(auto_error=False)
    for_api = _given(flags, *_API_LOGINS)
    asked = for_api or _given(flags, *_PAGE_LOGINS, *_LOGIN_FILES)
    logins = _pairs(flags.api_auth) if for_api else _page_logins(flags)
    if asked and not logins:
        names = " and ".join("--" + name.replace("_", "-") for name in asked)
        _log.error("GPEN: %s names no user:password, so /gpen/v1 answers nobody", names)

    async def check(request: Request) -> None:
        if not asked or (not for_api and _has_cookie(app, request)):
            return
        given = await basic(request)
        if given is None or not _is_known(given, logins):
            await discard(request)
            raise HTTPException(
                401, "Incorrect username or password", headers={"WWW-Authenticate": "Basic"}
            )

    return check


def _is_known(given: HTTPBasicCredentials, logins: Mapping[str, str]) -> bool:
    expected = logins.get(given.username)
    # In constant time, so that the delay of the answer reveals nothing of the password.
    return expected is not None and secrets.compare_digest(
        given.password.encode(), expected.encode()
    )


def _given(flags: Any, *names: str) -> list[str]:
    """Those of the flags that were given, with whatever value."""
    return [name for name in names if getattr(flags, name, None) is not None]


def _has_cookie(app: FastAPI, request: Request) -> bool:
    """Whether the caller is logged in on the page (gradio keeps these tokens)."""
    tokens = getattr(app, "tokens", None) or {}
    names = [name for name in request.cookies if name.startswith("access-token")]
    return any(request.cookies[name] in tokens for name in names)


def _pairs(text: str | None) -> dict[str, str]:
    """ "user:password,user:password" as a dict, without what lacks a name or a password."""
    pairs = (part.strip().partition(":") for part in (text or "").split(","))
    return {name: password for name, _, password in pairs if name and password}


def _page_logins(flags: Any) -> dict[str, str]:
    logins: dict[str, str] = {}
    for name in _given(flags, *_PAGE_LOGINS):
        logins |= _pairs(getattr(flags, name))
    for name in _given(flags, *_LOGIN_FILES):
        try:
            lines = Path(getattr(flags, name)).read_text("utf-8").splitlines()
        except (OSError, ValueError) as error:
            _log.error("GPEN: the logins of the page cannot be read: %s", error)
            continue
        for line in lines:
            logins |= _pairs(line)
    return logins
