"""The HTTP interface /gpen/v1. Pictures come and go as base64; never a path, never an address."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, replace
from typing import Any, TypeVar

import numpy as np
from fastapi import Depends, FastAPI, HTTPException, Request, Response
from modules import shared
from PIL import Image
from pydantic import BaseModel

import gpen_core
from gpen_core.errors import Cancelled, CheckpointError, GpenError, TimeLimitError
from gpen_core.images.picture import to_dtype
from gpen_core.runtime.timing import TimeLimit

from .. import host, pictures, settings
from ..controls import detection_options, restoration_options
from ..models import list_models, list_models_for
from ..service import SERVICE, show_as_job
from .body import MAX_BYTES, HungUp, read_body, schema_of, understand
from .login import login_of
from .origin import refuse_other_sites
from .pictures import MAX_PIXELS, SentPicture, encode, receive
from .queue import CancelCheck, RequestQueue, while_there
from .schema import (
    DetectRequest,
    DetectResponse,
    InfoResponse,
    ModelsResponse,
    RestoreRequest,
    RestoreResponse,
    UnloadRequest,
)

_MAX_FACES = 64
_HUNG_UP = 499  # nobody reads it

_Request = TypeVar("_Request", DetectRequest, RestoreRequest)
_Work = Callable[[SentPicture, CancelCheck], Mapping[str, Any]]
"""What is done with a picture when its turn has come; returns the answer."""


def register(_demo: Any, app: FastAPI) -> None:
    """Adds the routes, if the host was started with its API; called again after Reload UI."""
    flags = shared.cmd_opts
    if not (getattr(flags, "api", False) or getattr(flags, "nowebui", False)):
        return
    login, from_here = Depends(login_of(app)), Depends(refuse_other_sites)
    _add(app, "GET", "info", _info, InfoResponse, [login])
    _add(app, "GET", "models", _models, ModelsResponse, [login])
    waiting = RequestQueue()
    guards = [login, from_here]
    detect = _with_picture(waiting, DetectRequest, _detect)
    _add(app, "POST", "detect", detect, DetectResponse, guards, DetectRequest)
    restore = _with_picture(waiting, RestoreRequest, _restore)
    _add(app, "POST", "restore", restore, RestoreResponse, guards, RestoreRequest)
    _add(app, "POST", "unload", _unload(waiting), InfoResponse, guards)


def _add(
    app: FastAPI,
    method: str,
    name: str,
    route: Callable[..., Any],
    answered: type[BaseModel],
    guards: list[Any],
    asked: type[BaseModel] | None = None,
) -> None:
    app.add_api_route(
        f"/gpen/v1/{name}",
        route,
        name=name,
        methods=[method],
        response_model=answered,
        dependencies=guards,
        tags=["GPEN"],
        summary=str(route.__doc__).split("\n")[0],
        openapi_extra=None if asked is None else {"requestBody": schema_of(asked)},
    )


def _info() -> InfoResponse:
    """Version, device, loaded model and limits."""
    return InfoResponse(
        version=gpen_core.__version__,
        device=str(settings.device()),
        loaded=None if SERVICE.loaded is None else _encodable(SERVICE.loaded),
        limits={"bytes": MAX_BYTES, "pixels": MAX_PIXELS, "faces": _MAX_FACES},
    )


def _models() -> ModelsResponse:
    """The installed models for restoration."""
    names = [_encodable(name) for name in list_models_for("restoration")]
    return ModelsResponse(models=names, default=settings.setting("gpen_model"))


def _detect(request: DetectRequest) -> _Work:
    """Finds the faces of a picture."""
    with _as_answers():
        options = detection_options(request.confidence, request.minimum_size, request.maximum_count)
    detector, seconds = request.detector, request.time_limit

    def work(sent: SentPicture, stop: CancelCheck) -> Mapping[str, Any]:
        notes: list[str] = []
        with _at_work(sent, stop, seconds) as (picture, stop_or_late):
            found, name = SERVICE.detect(picture.pixels, options, detector, stop_or_late, notes)
        height, width = picture.pixels.shape[:2]
        return {
            "width": width,
            "height": height,
            "detector": name,
            "faces": [face.to_dict() for face in found.faces],
            "left_out": [asdict(left) for left in found.left_out],
            "notes": [*picture.notes, *notes],
        }

    return work


def _restore(request: RestoreRequest) -> _Work:
    """Restores the faces of a picture."""
    if request.model not in (None, settings.BEST, *list_models()):
        raise HTTPException(404, f"there is no model {request.model!r}; see /gpen/v1/models")
    count = min(request.maximum_count or _MAX_FACES, _MAX_FACES)
    with _as_answers():
        names = ("strength", "template", "mask", "faces")
        values = {name: getattr(request, name) for name in names}
        options = restoration_options({**values, "colour": request.colour_match})
        detection = detection_options(request.confidence, request.minimum_size, count)
    model, detector, return_mask = request.model, request.detector, request.return_mask
    seconds = request.time_limit

    def work(sent: SentPicture, stop: CancelCheck) -> Mapping[str, Any]:
        with _at_work(sent, stop, seconds) as (picture, stop_or_late):
            result = SERVICE.restore(
                picture.pixels,
                options,
                detection,
                model,
                detector,
                on_progress=show_as_job,
                cancelled=stop_or_late,
            )
        mask = encode(Image.fromarray(to_dtype(result.mask, np.uint8))) if return_mask else None
        image = encode(picture.with_pixels(result.pixels))
        report = replace(result.report, notes=(*picture.notes, *result.report.notes))
        return {"image": image, "mask": mask, "report": report.to_dict()}

    return work


def _with_picture(
    waiting: RequestQueue, asked: type[_Request], plan: Callable[[_Request], _Work]
) -> Callable[..., Any]:
    """The route that reads a request, waits for its turn and does what was planned."""

    async def route(request: Request) -> Response:
        try:
            await waiting.wait_for_room()
            with waiting.reserve() as reservation:
                bodies = [await read_body(request, reservation.hold)]

                async def answer(stop: CancelCheck) -> Response:
                    # Taken out of the list, as it is larger than what is made of it.
                    sent, work = await waiting.read(_planned, bodies.pop(), asked, plan)
                    reservation.hold(len(sent.data), sent.pixels)
                    return await waiting.work(lambda: _answer(work, sent, stop))

                return await while_there(request, answer)
        except HungUp:
            return Response(status_code=_HUNG_UP)

    route.__doc__ = plan.__doc__
    return route


def _unload(waiting: RequestQueue) -> Callable[..., Any]:
    async def route(request: Request) -> Response | InfoResponse:
        """Takes the model out of memory."""
        try:
            with waiting.reserve() as reservation:
                if body := await read_body(request, reservation.hold):
                    understand(body, UnloadRequest)
                await while_there(request, lambda _stop: waiting.work(SERVICE.unload))
                return _info()
        except HungUp:
            return Response(status_code=_HUNG_UP)

    return route


def _planned(
    body: bytearray, asked: type[_Request], plan: Callable[[_Request], _Work]
) -> tuple[SentPicture, _Work]:
    request = understand(body, asked)
    return receive(request.image), plan(request)


def _answer(work: _Work, sent: SentPicture, stop: CancelCheck) -> Response:
    with _as_answers():
        answer = _finite(work(sent, stop))
    return Response(json.dumps(answer, allow_nan=False), media_type="application/json")


@contextmanager
def _at_work(
    sent: SentPicture, stop: CancelCheck, seconds: float | None
) -> Generator[tuple[pictures.HostPicture, CancelCheck]]:
    """The picture, decoded only now that nobody else is at work, and when to stop.

    Args:
        sent: the picture.
        stop: true if the caller is gone.
        seconds: how long the work may take from now on.
    """
    with host.queued("gpen"), TimeLimit(seconds).watching(stop) as stop_or_late:
        if stop():
            raise Cancelled("the caller is gone")
        yield pictures.read(sent.decode(), turn=True), stop_or_late


@contextmanager
def _as_answers() -> Generator[None]:
    """Turns errors into answers with a status and a sentence."""
    try:
        yield
    except Cancelled as error:
        raise HTTPException(409, "the work was interrupted") from error
    except TimeLimitError as error:
        raise HTTPException(504, str(error)) from error
    except CheckpointError as error:
        raise HTTPException(404, _encodable(str(error))) from error
    except GpenError as error:
        raise HTTPException(422, _encodable(str(error))) from error


def _finite(value: Any) -> Any:
    """The value with null for numbers that JSON does not have."""
    if isinstance(value, Mapping):
        return {name: _finite(part) for name, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _encodable(text: str) -> str:
    """The text with escapes for what UTF-8 cannot encode, which names of files may hold."""
    return text.encode("utf-8", "backslashreplace").decode()
