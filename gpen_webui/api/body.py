"""What callers send: read within bounds, as strict JSON, with one sentence for what is wrong."""

from __future__ import annotations

import difflib
import json
import math
from collections.abc import Callable
from typing import Any, TypeVar

import anyio
from fastapi import HTTPException, Request
from pydantic import VERSION, BaseModel, ValidationError
from starlette.requests import ClientDisconnect

MAX_BYTES = 64 << 20
"""Of a picture's file."""

_MAX_BODY = MAX_BYTES * 4 // 3 * 11 // 10 + (64 << 10)
"""Bytes of a request: the picture as base64 with line breaks, and the other fields."""

_READING_SECONDS = 300
"""How long a caller may take to send a request."""

_PYDANTIC_1 = VERSION.startswith("1.")

_DISCARDING_SECONDS = 30
_MAX_VALUES = 500
_MAX_BRACKETS = 50
_MAX_WHOLE_NUMBER = 1 << 63
_NAME_LENGTH = 40

_Model = TypeVar("_Model", bound=BaseModel)


class HungUp(Exception):  # noqa: N818 - an outcome, not a failure
    """The caller is gone, so that nobody waits for an answer."""


async def read_body(request: Request, expect: Callable[[int], None]) -> bytearray:
    """The body of a request.

    Args:
        request: of which nothing was read.
        expect: called with the bytes that there will be; may raise.

    Raises:
        HTTPException: 413, it is too large; 408, it takes too long to come.
        HungUp: the caller is gone.
    """
    body = bytearray()
    try:
        _check_size(_declared(request))
        expect(_declared(request))
        with anyio.fail_after(_READING_SECONDS):
            async for chunk in request.stream():
                body += chunk
                _check_size(len(body))
                expect(max(_declared(request), len(body)))
    except TimeoutError as error:
        raise HTTPException(408, f"the request took over {_READING_SECONDS} seconds") from error
    except ClientDisconnect as error:
        raise HungUp from error
    except HTTPException:
        del body
        await discard(request)
        raise
    return body


async def discard(request: Request) -> None:
    """Drops what is still coming, as who is sending does not see an answer before the end."""
    size = _declared(request)
    if size > _MAX_BODY or (size == 0 and "transfer-encoding" not in request.headers):
        return
    size = 0
    with anyio.move_on_after(_DISCARDING_SECONDS):
        while size <= _MAX_BODY:
            message = await request.receive()
            size += len(message.get("body", b""))
            if not message.get("more_body"):
                return


def understand(body: bytearray, kind: type[_Model]) -> _Model:
    """The request that the JSON of a body makes.

    Raises:
        HTTPException: 422, with a sentence that names the field.
    """
    fields = _object(body)
    known = list(getattr(kind, "__fields__" if _PYDANTIC_1 else "model_fields"))
    unknown = [name for name in fields if name not in known]
    if unknown:
        raise HTTPException(422, _about_unknown(unknown, known))
    for name, value in fields.items():
        _check_value(name, value)
    try:
        return kind(**fields)
    except ValidationError as error:
        wrong = [f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()]
        raise HTTPException(422, "; ".join(wrong)) from error


def schema_of(kind: type[BaseModel]) -> dict[str, Any]:
    """The description of a request for /docs, of either version of pydantic."""
    schema = getattr(kind, "schema" if _PYDANTIC_1 else "model_json_schema")()
    return {"required": True, "content": {"application/json": {"schema": schema}}}


def _declared(request: Request) -> int:
    try:
        return max(int(request.headers.get("content-length", 0)), 0)
    except ValueError:
        return 0


def _check_size(size: int) -> None:
    if size > _MAX_BODY:
        raise HTTPException(
            413, f"the request is too large; an image may have {MAX_BYTES >> 20} MiB"
        )


def _object(body: bytearray) -> dict[str, Any]:
    # A small list takes 30 times the memory of its text. Base64 has none of these characters.
    if sum(map(body.count, (b",", b"[", b"{"))) > _MAX_VALUES:
        raise HTTPException(422, f"the request holds more than {_MAX_VALUES} values")
    # Bounds their depth too: reading them takes a part of the stack for each level.
    if sum(map(body.count, (b"[", b"{"))) > _MAX_BRACKETS:
        raise HTTPException(422, f"the request holds more than {_MAX_BRACKETS} lists and objects")
    try:
        # Not strict about line breaks within texts, for base64 pasted into JSON.
        fields = json.loads(body, strict=False, object_pairs_hook=_once)
    except ValueError as error:
        raise HTTPException(422, f"the request is no JSON that can be read: {error}") from error
    if not isinstance(fields, dict):
        raise HTTPException(422, 'the request must be a JSON object such as {"image": "…"}')
    return fields


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise HTTPException(422, f"the field {_shown(twice)} is there twice")
    return fields


def _check_value(name: str, value: Any) -> None:
    """Refuses what no field takes and what an answer could not even name."""
    if isinstance(value, (dict, list)):
        raise HTTPException(422, f"{name} must be one value, not a list or an object")
    if isinstance(value, float) and not math.isfinite(value):
        raise HTTPException(422, f"{name} is {value}, but numbers must be finite")
    if isinstance(value, int) and abs(value) > _MAX_WHOLE_NUMBER:
        raise HTTPException(422, f"{name} is too large a number")
    if isinstance(value, str) and not _is_text(value):
        raise HTTPException(422, f"{name} holds half a surrogate pair, which is not text")


def _is_text(value: str) -> bool:
    try:
        return value.isascii() or bool(value.encode())
    except UnicodeEncodeError:
        return False


def _about_unknown(unknown: list[str], known: list[str]) -> str:
    shown = [_shown(name) + _near(name, known) for name in unknown[:5]]
    more = f" and {len(unknown) - 5} more" if len(unknown) > 5 else ""
    what = "there is no field" if len(unknown) == 1 else "there are no fields"
    return f"{what} {', '.join(shown)}{more}; known are {', '.join(known) or 'none'}"


def _near(name: str, known: list[str]) -> str:
    near = difflib.get_close_matches(name[:_NAME_LENGTH].lower(), known, 1)
    return f" (is {near[0]} meant?)" if near else ""


def _shown(name: str) -> str:
    return repr(name if len(name) <= _NAME_LENGTH else name[:_NAME_LENGTH] + "…")
