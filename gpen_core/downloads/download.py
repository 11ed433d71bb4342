"""Getting the bytes of one address into a partial file, however often the connection breaks."""

from __future__ import annotations

import http.client
import logging
import re
import shutil
import sys
from dataclasses import dataclass
from http import HTTPStatus

from ..checkpoints.file_kind import HEAD_BYTES, MAX_FILE_BYTES, file_kind
from ..checkpoints.refusal import Refusal, megabytes, reason_of
from ..errors import DownloadError, escaped
from .http import BadContentError, RangeMismatchError, SourceError, TransientError, open_address
from .partial_file import Origin, PartialFile
from .retry import DownloadMonitor, RetryPolicy, duration, wait_before_retry

_log = logging.getLogger("gpen")

_CHUNK_BYTES = 1 << 18


@dataclass(frozen=True)
class ExpectedFile:
    """What is known about the bytes beforehand."""

    bytes: int | None
    hashed: bool
    """Whether the whole is checked against a hash, so that a wrong joint would be noticed."""


def download(
    address: str,
    part: PartialFile,
    expected: ExpectedFile,
    policy: RetryPolicy,
    watch: DownloadMonitor,
) -> None:
    """Downloads an address, going on with what an earlier run left.

    Raises:
        SourceError: the address does not give the file; what came is kept if it may be continued.
        DownloadError: it cannot be stored.
        Cancelled: `watch` asked to stop; what came is kept.
    """
    furthest, failures = 0, 0
    while (error := _try(address, part, expected, policy.timeout, watch)) is not None:
        # Counted from the furthest byte, or a server that always breaks off at the same place and
        # cannot resume would be asked for ever.
        failures = 1 if part.size() > furthest else failures + 1
        furthest = max(furthest, part.size())
        if failures >= policy.attempts:
            raise SourceError(f"{error}, after {failures} attempts") from error
        if error.wait > policy.longest:
            raise SourceError(
                f"{error} and asks to wait for {duration(error.wait)}; try again after that"
            ) from error
        if error.wait:
            _log.warning("%s %s: waiting for %s", address, error, duration(error.wait))
        seconds = max(error.wait, policy.first_wait * 2 ** (failures - 1))
        wait_before_retry(seconds, policy, watch)


def _try(
    address: str, part: PartialFile, expected: ExpectedFile, timeout: float, watch: DownloadMonitor
) -> TransientError | None:
    """One attempt; returns the error if another attempt may succeed."""
    try:
        _attempt(address, part, expected, timeout, watch)
    except RangeMismatchError as error:
        part.discard()
        return error
    except TransientError as error:
        return error
    except BadContentError:
        part.discard()
        raise
    return None


def _attempt(
    address: str, part: PartialFile, expected: ExpectedFile, timeout: float, watch: DownloadMonitor
) -> None:
    origin = _continued(address, part, expected)
    start = part.size() if origin else 0
    if origin and start == (expected.bytes or origin.total):
        return
    headers = _range(start, origin) if origin else {}
    with open_address(address, headers, timeout) as response:
        if response.headers.get("Content-Encoding", "identity") != "identity":
            raise SourceError("sends the file compressed, which was not asked for")
        resumed = _continues(response, start, origin)
        start = start if resumed else 0
        total = _total(response, start, expected)
        _check_space(part, (total or 0) - start)
        if not resumed:
            part.begin(Origin(address, _version(response), total))
        _receive(response, part, total, timeout, watch)


def _continued(address: str, part: PartialFile, expected: ExpectedFile) -> Origin | None:
    """The origin of the part, if a download from the address can go on with it."""
    size, origin = part.size(), part.origin()
    if not size or origin is None or origin.address != address:
        return None
    certain = origin.version is not None or expected.hashed
    longest = expected.bytes or origin.total or MAX_FILE_BYTES
    return origin if certain and size <= longest else None


def _range(start: int, origin: Origin) -> dict[str, str]:
    """The headers that ask for the rest, or for everything if it is another version by now."""
    headers = {"Range": f"bytes={start}-"}
    return headers | ({} if origin.version is None else {"If-Range": origin.version})


def _version(response: http.client.HTTPResponse) -> str | None:
    """The server's mark for this very content, as If-Range accepts it."""
    etag = response.headers.get("ETag")
    if etag and not etag.startswith("W/"):
        return etag
    return response.headers.get("Last-Modified")


def _continues(response: http.client.HTTPResponse, start: int, origin: Origin | None) -> bool:
    """Whether the response goes on where the part ends; else it is the whole file.

    Raises:
        RangeMismatchError: it is neither.
    """
    if response.status == HTTPStatus.OK:
        return False
    found = re.match(r"bytes (\d{1,18})-", response.headers.get("Content-Range", ""))
    version = _version(response)
    if origin is None or found is None or int(found[1]) != start:
        raise RangeMismatchError(f"answers {response.status} with another part than asked for")
    if version is not None and version != origin.version:
        raise RangeMismatchError("sends the rest of another version of the file")
    return True


def _total(response: http.client.HTTPResponse, start: int, expected: ExpectedFile) -> int | None:
    """The length of the whole file; None if it is unknown.

    Raises:
        SourceError: it is not the length it should be, or larger than any model.
    """
    total = expected.bytes
    if response.length is not None:
        total = start + min(response.length, sys.maxsize)
        if expected.bytes is not None and total != expected.bytes:
            raise SourceError(
                f"offers {total:,} bytes, but the file has {expected.bytes:,}: it is another file"
            )
    if total is not None and total > MAX_FILE_BYTES:
        raise SourceError(f"offers {megabytes(total)}, more than any model has")
    return total


def _check_space(part: PartialFile, needed: int) -> None:
    try:
        free = shutil.disk_usage(part.path.parent).free
    except OSError:  # some network drives do not say
        return
    if needed > free:
        raise DownloadError(
            f"{part.path.parent} has {megabytes(free)} of free space, but {megabytes(needed)} are "
            "needed. Make room, or choose another folder."
        )


def _receive(
    response: http.client.HTTPResponse,
    part: PartialFile,
    total: int | None,
    timeout: float,
    watch: DownloadMonitor,
) -> None:
    done = part.size()
    with part.append_to() as file:
        checked = done >= HEAD_BYTES
        watch.report(done, total)
        while chunk := _next_chunk(response, timeout):
            done += len(chunk)
            if done > (MAX_FILE_BYTES if total is None else total):
                raise BadContentError(
                    f"sends more than the {total or MAX_FILE_BYTES:,} bytes of the file"
                )
            part.write(file, chunk)
            if not checked and done >= HEAD_BYTES:
                _check_head(part, total or done)
                checked = True
            watch.report(done, total)
    if total is not None and done < total:
        raise TransientError(f"breaks off after {done:,} of {total:,} bytes")
    if not checked:
        _check_head(part, done)


def _next_chunk(response: http.client.HTTPResponse, timeout: float) -> bytes:
    """What has arrived; empty at the end."""
    try:
        # Not `read`, which would throw away what came before a stall.
        return response.read1(_CHUNK_BYTES)
    except TimeoutError as error:
        raise TransientError(f"stalls: nothing came for {timeout:g} s") from error
    except (OSError, http.client.HTTPException) as error:
        raise TransientError(f"breaks off ({escaped(error) or type(error).__name__})") from error


def _check_head(part: PartialFile, size: int) -> None:
    """Refuses web pages, pointers and the like as soon as their first bytes are there.

    Raises:
        ContentError: the file cannot be a model.
    """
    with part.path.open("rb") as file:
        head = file.read(HEAD_BYTES)
    try:
        file_kind(head, size)
    except Refusal as refusal:
        raise BadContentError(f"sends what {reason_of(str(refusal))}") from refusal
