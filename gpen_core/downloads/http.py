"""Opening web addresses: only http and https, never from the safe one down to the other.

Proxies are those of the environment (`https_proxy`, `no_proxy`).
"""

from __future__ import annotations

import http.client
import ssl
import urllib.error
import urllib.request
from collections.abc import Mapping
from datetime import datetime, timezone
from email.message import Message
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import IO
from urllib.parse import urlsplit

from ..errors import OptionError, escaped

_PASSING = {
    HTTPStatus.REQUEST_TIMEOUT,
    HTTPStatus.TOO_EARLY,
    HTTPStatus.TOO_MANY_REQUESTS,
}


_ENDLESS = 1e9
"""Seconds; what servers ask for beyond that is not a number that anybody waits."""


class SourceError(Exception):
    """Why an address is of no use: the rest of a sentence that begins with the address."""


class BadContentError(SourceError):
    """What came is not the file; nothing of it is worth keeping."""


class TransientError(SourceError):
    """Trouble that may be over at the next attempt."""

    def __init__(self, said: str, wait: float = 0.0) -> None:
        """`wait`: seconds that the server asks to leave it in peace."""
        super().__init__(said)
        self.wait = wait


class RangeMismatchError(TransientError):
    """The server has no rest to what came earlier; the next attempt is to begin anew."""


def check_address(address: str) -> str:
    """Returns the address without blanks around it.

    Raises:
        OptionError: it is not an http or https address, or has a user's name and password in it.
    """
    address = address.strip()
    host, user = _host_and_user(address)
    if host and user:
        # Not repeated in full: a password would stand in logs.
        raise OptionError(
            f"the address at {host!r} has a user's name in it, which is not supported; name an "
            "address without one, or download the file in a browser"
        )
    if not host:
        raise OptionError(
            f"{address!r} is not a web address; it must begin with https:// or http://"
        )
    return address


def _host_and_user(address: str) -> tuple[str, str]:
    """Whom a web address is for and as whom to come; "" for the host of any other address."""
    try:
        parts = urlsplit(address)
        web = parts.scheme in ("http", "https")
        return (parts.hostname or "" if web else ""), parts.netloc.rpartition("@")[0]
    except ValueError:  # brackets that are not an IPv6 address
        return "", ""


def open_address(
    address: str, headers: Mapping[str, str], timeout: float
) -> http.client.HTTPResponse:
    """Requests a file; the response is to be closed by the caller.

    Args:
        address: http or https.
        headers: of the request.
        timeout: seconds without any byte after which it counts as stalled; also while reading.

    Raises:
        PassingError: the server is out of reach, slow or busy.
        SourceError: it refuses, or leads to where it must not.
    """
    every = {"User-Agent": "gpen-face-restoration", "Accept-Encoding": "identity", **headers}
    try:
        return _opener().open(urllib.request.Request(address, headers=every), timeout=timeout)  # noqa: S310 - the opener knows no other schemes
    except urllib.error.HTTPError as error:
        error.close()
        raise _refused(error) from error
    except (http.client.InvalidURL, ValueError) as error:
        raise SourceError(f"is not a usable address ({escaped(error)})") from error
    except TimeoutError as error:
        raise TransientError(f"does not answer within {timeout:g} s") from error
    except (OSError, http.client.HTTPException) as error:
        raise _unreachable(error, timeout) from error


def _opener() -> urllib.request.OpenerDirector:
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPErrorProcessor(),
        urllib.request.UnknownHandler(),
        SafeRedirects(),
    ):
        opener.add_handler(handler)
    return opener


class SafeRedirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects to http and https, but from https to https only."""

    # Python 3.10 knows no 308, which for a download is the same as 307.
    http_error_308 = urllib.request.HTTPRedirectHandler.http_error_302

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        """The request to go on with.

        Raises:
            SourceError: it would lead from https to http, or to another scheme.
        """
        old, new = urlsplit(req.full_url).scheme, urlsplit(newurl).scheme
        if new not in ("http", "https") or (old, new) == ("https", "http"):
            fp.close()
            raise SourceError(f"redirects from {old} to {escaped(newurl)}, which is not safe")
        code = HTTPStatus.TEMPORARY_REDIRECT if code == HTTPStatus.PERMANENT_REDIRECT else code
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _refused(error: urllib.error.HTTPError) -> SourceError:
    if error.code < HTTPStatus.BAD_REQUEST:
        return SourceError("redirects in a circle, or to what is not a web address")
    answer = f"answers {error.code} {escaped(error.reason)}".rstrip()
    if error.code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
        return RangeMismatchError(answer)
    if error.code in _PASSING or error.code >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return TransientError(answer, _asked_to_wait(error.headers))
    return SourceError(answer)


def _asked_to_wait(headers: Message) -> float:
    """The seconds of a Retry-After, which gives them or a time of day; 0 if there is none."""
    text = headers.get("Retry-After", "").strip()
    if text.isascii() and text.isdigit():
        return min(float(text), _ENDLESS)
    then = _time(text)
    if then is None:
        return 0.0
    # By the server's own clock if it gives it: ours may be wrong.
    now = _time(headers.get("Date", "")) or datetime.now(timezone.utc)
    return max(0.0, (then - now).total_seconds())


def _time(text: str) -> datetime | None:
    try:
        found = parsedate_to_datetime(text)
    except (TypeError, ValueError):  # the former from Python 3.10 and older
        return None
    return found if found.tzinfo else found.replace(tzinfo=timezone.utc)


def _unreachable(error: Exception, timeout: float) -> SourceError:
    reason = error.reason if isinstance(error, urllib.error.URLError) else error
    if isinstance(reason, ssl.SSLCertVerificationError):
        return SourceError(
            f"has a certificate that is not valid ({escaped(reason.verify_message)})"
        )
    if isinstance(reason, TimeoutError):
        return TransientError(f"does not answer within {timeout:g} s")
    return TransientError(f"cannot be reached ({escaped(reason) or type(error).__name__})")
