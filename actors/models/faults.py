"""What an exception from the SDK or from the connection under it means. Pure: an exception in, a `Fault` out."""

from __future__ import annotations

import re

import aiohttp
import anthropic
import httpx2

from actors.models.events import StreamFault
from actors.models.http import Answered, ReplyTooLargeError
from actors.models.retry import Fault, FaultKind, status_fault
from actors.models.wire import Malformed, json_object

MESSAGE_CHARACTERS_MAX = 400
PAGE_BYTES_MAX = 20_000  # of an error page: its words come first

# Nothing was sent, so nothing can be billed.
NEVER_CONNECTED = (
    aiohttp.ClientConnectorError,
    aiohttp.ConnectionTimeoutError,
    aiohttp.ClientProxyConnectionError,
    aiohttp.ClientHttpProxyError,
    aiohttp.InvalidURL,
    httpx2.ConnectError,
    httpx2.ConnectTimeout,
    httpx2.PoolTimeout,
    httpx2.UnsupportedProtocol,
)
# Error types of the Messages API that pass and may come with status 200: as an event of a stream, or as a body.
STREAM_ERRORS = {
    "overloaded_error": FaultKind.OVERLOADED,
    "rate_limit_error": FaultKind.RATE_LIMITED,
    "api_error": FaultKind.SERVER_ERROR,
    "timeout_error": FaultKind.SERVER_ERROR,
}
_TAGS = re.compile(r"<(script|style)\b.*?</\1>|<[^<>]*>", re.DOTALL | re.IGNORECASE)


def fault_of(error: BaseException) -> Fault:
    """The fault that `error` stands for. Anything unknown counts as permanent and possibly billed."""
    match error:
        case anthropic.APIStatusError():
            answered = Answered(error.status_code, error.response.headers, error.response.content)
            return status_fault(error.status_code, said(answered), answered.headers)
        case Malformed():
            return _lost(FaultKind.MALFORMED, str(error), None if error.usage is None else error.usage.total_tokens)
        case anthropic.APIResponseValidationError():
            return _lost(FaultKind.MALFORMED, "the reply does not have the form of a message")
        case StreamFault():
            kind = STREAM_ERRORS.get(error.kind, FaultKind.REJECTED)
            transient = error.kind in STREAM_ERRORS
            return Fault(kind=kind, message=f"{error.kind}: {error}", transient=transient, billed_tokens=None)
        case anthropic.APIConnectionError():
            return _connection_fault(error.__cause__ or error, timed_out=isinstance(error, anthropic.APITimeoutError))
        case aiohttp.ClientError() | httpx2.TransportError() | OSError() | ReplyTooLargeError():  # TimeoutError too
            return _connection_fault(error, timed_out=isinstance(error, TimeoutError | httpx2.TimeoutException))
        case anthropic.RetryableError():
            return _lost(FaultKind.SERVER_ERROR, str(error) or "asked to be tried again")
        case anthropic.CredentialsError():
            return Fault(kind=FaultKind.REJECTED, message=str(error), transient=False, billed_tokens=0)
    message = f"{type(error).__name__}: {error}"
    return Fault(kind=FaultKind.REJECTED, message=message, transient=False, billed_tokens=None)


def _connection_fault(cause: BaseException, *, timed_out: bool) -> Fault:
    detail = f"{type(cause).__name__}: {cause}".rstrip(": ")
    if isinstance(cause, NEVER_CONNECTED):
        return Fault(kind=FaultKind.UNREACHABLE, message=f"no connection: {detail}", transient=True, billed_tokens=0)
    if isinstance(cause, ReplyTooLargeError):
        return _lost(FaultKind.MALFORMED, str(cause))
    if timed_out or isinstance(cause, TimeoutError | httpx2.TimeoutException):
        return _lost(FaultKind.TIMEOUT, "no reply in time")
    return _lost(FaultKind.LOST, f"the connection was lost: {detail}")


def _lost(kind: FaultKind, message: str, billed_tokens: int | None = None) -> Fault:
    return Fault(kind=kind, message=message, transient=True, billed_tokens=billed_tokens)


def said(answered: Answered) -> str:
    """What a reply with an error status says for itself: the API's message, or the words of a proxy's page."""
    try:
        error = json_object(answered.body).get("error")
        message = error.get("message") if isinstance(error, dict) else error
    except Malformed:
        page = answered.body[:PAGE_BYTES_MAX].decode("utf-8", "replace")
        message = " ".join(_TAGS.sub(" ", page).split())
    return _status_words(answered.status, message, answered.headers.get("request-id"))


def _status_words(status: int, message: object, request_id: str | None) -> str:
    told = str(message)[:MESSAGE_CHARACTERS_MAX] if message else "no reason given"
    return f"status {status}: {told}" + (f" (request {request_id})" if request_id else "")
