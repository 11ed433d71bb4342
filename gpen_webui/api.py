"""The HTTP interface /gpen/v1. Pictures come and go as base64; never a path, never an address."""

from __future__ import annotations

import base64
import io
import logging
import secrets
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from fastapi import Depends, FastAPI, HTTPException, Request
from fastapi.security import HTTPBasic, HTTPBasicCredentials
from modules import shared
from PIL import Image

import gpen_core
from gpen_core.errors import Cancelled, CheckpointError, GpenError
from gpen_core.images.picture import to_dtype

from . import host, pictures
from .api_models import (
    DetectRequest,
    DetectResponse,
    InfoResponse,
    ModelsResponse,
    RestoreRequest,
    RestoreResponse,
)
from .defaults import BEST
from .entry_options import detection_options, restoration_options
from .model_choice import offered
from .service import SERVICE, list_models, show_as_job

MAX_BYTES = 64 << 20
MAX_PIXELS = 100_000_000
MAX_FACES = 64
_FORMATS = ("PNG", "JPEG", "WEBP")
_API_LOGINS = ("api_auth",)
_PAGE_LOGINS = ("gradio_auth", "auth")
_LOGIN_FILES = ("gradio_auth_path", "auth_file")

logger = logging.getLogger("gpen")


def register(_demo: Any, app: FastAPI) -> None:
    """Adds the routes, if the host was started with its API; called again after Reload UI."""
    flags = shared.cmd_opts
    if not (getattr(flags, "api", False) or getattr(flags, "nowebui", False)):
        return
    guard = [Depends(_login(app))]
    routes: list[tuple[str, str, Callable[..., Any], Any]] = [
        ("GET", "info", info, InfoResponse),
        ("GET", "models", models, ModelsResponse),
        ("POST", "detect", detect, DetectResponse),
        ("POST", "restore", restore, RestoreResponse),
        ("POST", "unload", unload, InfoResponse),
    ]
    for method, name, function, response in routes:
        app.add_api_route(
            f"/gpen/v1/{name}",
            function,
            methods=[method],
            response_model=response,
            dependencies=guard,
            tags=["GPEN"],
            summary=str(function.__doc__).split("\n")[0],
        )


def info() -> InfoResponse:
    """Version, device, loaded model and limits."""
    return InfoResponse(
        version=gpen_core.__version__,
        device=str(host.device()),
        loaded=SERVICE.loaded,
        limits={"bytes": MAX_BYTES, "pixels": MAX_PIXELS, "faces": MAX_FACES},
    )


def models() -> ModelsResponse:
    """The installed models for restoration."""
    return ModelsResponse(
        models=offered("restoration", list_models()), default=host.setting("gpen_model")
    )


def unload() -> InfoResponse:
    """Takes the model out of memory."""
    SERVICE.unload()
    return info()


def detect(request: DetectRequest) -> DetectResponse:
    """Finds the faces of a picture."""
    picture = pictures.read(decode(request.image), turn=True)
    options = _checked(
        detection_options, request.confidence, request.minimum_size, request.maximum_count
    )
    with host.queued("gpen"):
        faces, detector = _answered(
            lambda: SERVICE.detect(picture.pixels, options, request.detector)
        )
    height, width = picture.pixels.shape[:2]
    return DetectResponse(
        width=width, height=height, detector=detector, faces=[face.to_dict() for face in faces]
    )


def restore(request: RestoreRequest) -> RestoreResponse:
    """Restores the faces of a picture."""
    if request.model not in (None, BEST, *list_models()):
        raise HTTPException(404, f"there is no model {request.model!r}; see /gpen/v1/models")
    picture = pictures.read(decode(request.image), turn=True)
    options = _checked(
        restoration_options,
        request.strength,
        request.template,
        request.colour_match,
        request.faces,
    )
    count = min(request.maximum_count or MAX_FACES, MAX_FACES)
    detection = _checked(detection_options, request.confidence, request.minimum_size, count)
    with host.queued("gpen"):
        result = _answered(
            lambda: SERVICE.restore(
                picture.pixels,
                options,
                detection,
                request.model,
                request.detector,
                tell=show_as_job,
            )
        )
    mask = Image.fromarray(to_dtype(result.mask, np.uint8)) if request.return_mask else None
    report = replace(result.report, notes=(*picture.notes, *result.report.notes))
    return RestoreResponse(
        image=encode(picture.with_pixels(result.pixels)),
        mask=None if mask is None else encode(mask),
        report=report.to_dict(),
    )


def decode(text: str) -> Image.Image:
    """A picture from base64 or a data URL, as it is stored.

    Raises:
        HTTPException: 422, with a sentence, if it is none or too large.
    """
    if text.startswith("data:"):
        text = text.partition(",")[2]
    if len(text) > MAX_BYTES * 4 // 3 + 4:
        raise HTTPException(422, f"image is larger than {MAX_BYTES >> 20} MiB")
    try:
        data = base64.b64decode(text, validate=True)
        image = Image.open(io.BytesIO(data), formats=_FORMATS)
    except Image.DecompressionBombError as error:
        raise HTTPException(422, f"image has more than {MAX_PIXELS:,} pixels") from error
    except Exception as error:
        known = ", ".join(_FORMATS)
        raise HTTPException(
            422, f"image is no picture in base64 ({known}); paths and addresses are not accepted"
        ) from error
    if image.width * image.height > MAX_PIXELS:
        raise HTTPException(
            422, f"image has {image.width}×{image.height} pixels, more than {MAX_PIXELS:,}"
        )
    try:
        image.load()
        return image
    except Exception as error:
        raise HTTPException(422, "image is damaged or incomplete") from error


def encode(image: Image.Image) -> str:
    """A picture as PNG in base64."""
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode("ascii")


def _checked(make: Callable[..., Any], *values: Any) -> Any:
    try:
        return make(*values)
    except GpenError as error:
        raise HTTPException(422, str(error)) from error


def _answered(work: Callable[[], Any]) -> Any:
    """What the work returns, or its failure as an answer with a sentence."""
    try:
        return work()
    except Cancelled as error:
        raise HTTPException(409, "the work was interrupted") from error
    except CheckpointError as error:
        raise HTTPException(404, str(error)) from error
    except GpenError as error:
        raise HTTPException(422, str(error)) from error


def _login(app: FastAPI) -> Callable[..., Any]:
    """The check of who asks: the host guards its own routes alone, so this repeats it.

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
        logger.error("GPEN: %s names no user:password, so /gpen/v1 answers nobody", names)

    async def check(request: Request) -> None:
        if not asked or (not for_api and _has_cookie(app, request)):
            return
        given = await basic(request)
        if given is None or not _is_known(given, logins):
            raise HTTPException(
                401, "Incorrect username or password", headers={"WWW-Authenticate": "Basic"}
            )

    return check


def _is_known(given: HTTPBasicCredentials, logins: Mapping[str, str]) -> bool:
    expected = logins.get(given.username)
    # In constant time, so that the answer's delay tells nothing of the password.
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
            logger.error("GPEN: the logins of the page cannot be read: %s", error)
            continue
        for line in lines:
            logins |= _pairs(line)
    return logins
