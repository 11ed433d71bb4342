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

MAX_FACES = 64
_HUNG_UP = 499  # nobody reads it

Wish = TypeVar("Wish", DetectRequest, RestoreRequest)
Work = Callable[[SentPicture, CancelCheck], Mapping[str, Any]]
"""What is done with a picture when its turn has come; returns the answer."""


def register(_demo: Any, app: FastAPI) -> None:
    """Adds the routes, if the host was started with its API; called again after Reload UI."""
    flags = shared.cmd_opts
    if not (getattr(flags, "api", False) or getattr(flags, "nowebui", False)):
        return
    login, from_here = Depends(login_of(app)), Depends(refuse_other_sites)
    _add(app, "GET", "info", info, InfoResponse, [login])
    _add(app, "GET", "models", models, ModelsResponse, [login])
    waiting = RequestQueue()
    guards = [login, from_here]
    find = _with_picture(waiting, DetectRequest, detect)
    _add(app, "POST", "detect", find, DetectResponse, guards, DetectRequest)
    mend = _with_picture(waiting, RestoreRequest, restore)
    _add(app, "POST", "restore", mend, RestoreResponse, guards, RestoreRequest)
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
        methods=[method],
        response_model=answered,
        dependencies=guards,
        tags=["GPEN"],
        summary=str(route.__doc__).split("\n")[0],
        openapi_extra=None if asked is None else {"requestBody": schema_of(asked)},
    )


def info() -> InfoResponse:
    """Version, device, loaded model and limits."""
    return InfoResponse(
        version=gpen_core.__version__,
        device=str(settings.device()),
        loaded=None if SERVICE.loaded is None else _sayable(SERVICE.loaded),
        limits={"bytes": MAX_BYTES, "pixels": MAX_PIXELS, "faces": MAX_FACES},
    )


def models() -> ModelsResponse:
    """The installed models for restoration."""
    names = [_sayable(name) for name in list_models_for("restoration")]
    return ModelsResponse(models=names, default=settings.setting("gpen_model"))


def detect(wish: DetectRequest) -> Work:
    """Finds the faces of a picture."""
    with _as_answers():
        options = detection_options(wish.confidence, wish.minimum_size, wish.maximum_count)
    detector, seconds = wish.detector, wish.time_limit

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


def restore(wish: RestoreRequest) -> Work:
    """Restores the faces of a picture."""
    if wish.model not in (None, settings.BEST, *list_models()):
        raise HTTPException(404, f"there is no model {wish.model!r}; see /gpen/v1/models")
    count = min(wish.maximum_count or MAX_FACES, MAX_FACES)
    with _as_answers():
        options = restoration_options(
            strength=wish.strength,
            template=wish.template,
            colour=wish.colour_match,
            mask=wish.mask,
            faces=wish.faces,
        )
        detection = detection_options(wish.confidence, wish.minimum_size, count)
    model, detector, return_mask = wish.model, wish.detector, wish.return_mask
    seconds = wish.time_limit

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
    waiting: RequestQueue, asked: type[Wish], plan: Callable[[Wish], Work]
) -> Callable[..., Any]:
    """The route that reads a request, waits for its turn and does what was planned."""

    async def route(request: Request) -> Response:
        try:
            await waiting.wait_for_place()
            with waiting.place() as place:
                bodies = [await read_body(request, place.hold)]

                async def answer(stop: CancelCheck) -> Response:
                    # Taken out of the list, as it is larger than what is made of it.
                    sent, work = await waiting.read(_planned, bodies.pop(), asked, plan)
                    place.hold(len(sent.data), sent.pixels)
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
            with waiting.place() as place:
                if body := await read_body(request, place.hold):
                    understand(body, UnloadRequest)
                await while_there(request, lambda _stop: waiting.work(SERVICE.unload))
                return info()
        except HungUp:
            return Response(status_code=_HUNG_UP)

    return route


def _planned(
    body: bytearray, asked: type[Wish], plan: Callable[[Wish], Work]
) -> tuple[SentPicture, Work]:
    wish = understand(body, asked)
    return receive(wish.image), plan(wish)


def _answer(work: Work, sent: SentPicture, stop: CancelCheck) -> Response:
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
    """Makes failures answers with a sentence."""
    try:
        yield
    except Cancelled as error:
        raise HTTPException(409, "the work was interrupted") from error
    except TimeLimitError as error:
        raise HTTPException(504, str(error)) from error
    except CheckpointError as error:
        raise HTTPException(404, _sayable(str(error))) from error
    except GpenError as error:
        raise HTTPException(422, _sayable(str(error))) from error


def _finite(value: Any) -> Any:
    """The value with null for figures that JSON has no numbers for."""
    if isinstance(value, Mapping):
        return {name: _finite(part) for name, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _sayable(text: str) -> str:
    """The text without what UTF-8 cannot say; names of files may hold such."""
    return text.encode("utf-8", "backslashreplace").decode()
