"""Errors of one request; `error_handlers` maps each to an HTTP status.

The tree::

    RequestError                the request is answered with an error
    ├── ValidationError         the body is malformed; `field` names the place
    │   └── RefusedInputsError  the model itself refuses the values of an instance
    ├── NoSuchModelError        the request names a model, version, label or signature that is not served
    ├── BodyTooLargeError       the body is larger than the server accepts
    ├── UnauthorizedError       the API key is missing or unknown
    ├── MissingRightError       the API key does not allow this
    ├── ForbiddenOriginError    the page of another site has sent the request
    ├── UnsupportedMediaTypeError  the body has another type or encoding than the path takes
    ├── QueueFullError          too many instances already wait for the model
    ├── PredictionTimeoutError  the model did not answer in time
    ├── ModelFailureError       the model failed, or a score is no probability
    └── EventLogError           the events cannot be written, so nothing is accepted
"""

from __future__ import annotations


class RequestError(Exception):
    """Raised when a request is refused or fails.

    Attributes
    ----------
    field : path of the field that is the reason, for the client.
    logged_message : the message for the log: a name that the client has chosen may hold personal data.

    Parameters
    ----------
    logged_field : the path without such a name; None = `field`.
    """

    def __init__(self, message: str, field: str = "", logged_field: str | None = None) -> None:
        super().__init__(_at(field, message))
        self.field = field
        self.logged_message = _at(field if logged_field is None else logged_field, message)


class ValidationError(RequestError):
    """Raised when a body, or a field of it, is malformed."""


class RefusedInputsError(ValidationError):
    """Raised when a model refuses the values of an instance: an id beyond its vocabulary, an example without a feature.

    Parameters
    ----------
    reason : the words of the library that computes; the log leaves them out, because they may quote the values.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(f"the model refuses the inputs ({reason})")
        self.logged_message = "the model refuses the inputs"


class NoSuchModelError(RequestError):
    """Raised when a request names a model, version, label or signature that is not served."""


class BodyTooLargeError(RequestError):
    """Raised when a body is larger than the server accepts."""


class UnauthorizedError(RequestError):
    """Raised when a request needs an API key and has none, or an unknown one."""


class MissingRightError(RequestError):
    """Raised when the API key of a request lacks the right that the path needs."""


class ForbiddenOriginError(RequestError):
    """Raised when a browser says that the page of another site has sent a request, and that site is not allowed."""


class UnsupportedMediaTypeError(RequestError):
    """Raised when Content-Type or Content-Encoding names another one than the path takes."""


class QueueFullError(RequestError):
    """Raised when the instances of a request do not fit into the queue of the model."""


class PredictionTimeoutError(RequestError):
    """Raised when the model did not answer in time."""


class ModelFailureError(RequestError):
    """Raised when the model fails, or gives a score that is no probability."""


class EventLogError(RequestError):
    """Raised when events cannot be written: disk full, permission, file size limit."""


def _at(field: str, message: str) -> str:
    return f"{field}: {message}" if field else message
