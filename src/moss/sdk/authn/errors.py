"""Errors of the authentication server. Source: spec/python-sdk.md 1.12, spec/rest-control.md 3.3."""

from moss.errors import MossError
from moss.sdk.errors import APIRequestError

__all__ = [
    "AuthNError",
    "ErrClusterAlreadyRegistered",
    "ErrClusterNotFound",
    "ErrRoleAlreadyExists",
    "ErrRoleNotFound",
    "ErrUserAlreadyExists",
    "ErrUserInvalidCredentials",
    "ErrUserNotFound",
    "MissingCluster",
    "authn_error",
]


class AuthNError(APIRequestError):
    """The authentication server refused a request."""


class ErrUserNotFound(AuthNError):
    """A user does not exist."""


class ErrUserAlreadyExists(AuthNError):
    """A user of this name exists."""


class ErrUserInvalidCredentials(AuthNError):
    """The user is unknown, or the password is wrong."""


class ErrRoleNotFound(AuthNError):
    """A role does not exist."""


class ErrRoleAlreadyExists(AuthNError):
    """A role of this name exists."""


class ErrClusterNotFound(AuthNError):
    """A cluster is not registered."""


class ErrClusterAlreadyRegistered(AuthNError):
    """A cluster of this id or alias is registered."""


class MissingCluster(MossError, RuntimeError):
    """The server answered the question for one cluster with none."""

    code = "missing-cluster"


_KINDS = {  # When a message names several, the first of these decides.
    "user ": (ErrUserNotFound, ErrUserAlreadyExists),
    "role ": (ErrRoleNotFound, ErrRoleAlreadyExists),
    "cluster ": (ErrClusterNotFound, ErrClusterAlreadyRegistered),
}


def authn_error(error: APIRequestError) -> AuthNError:
    """The error of the authentication server that an answer means."""
    kind: type[AuthNError] = AuthNError
    if error.status_code == 401 and "invalid credentials" in error.message:
        kind = ErrUserInvalidCredentials
    elif error.status_code in (404, 409):
        found = next((kinds for word, kinds in _KINDS.items() if word in error.message), None)
        kind = found[error.status_code == 409] if found else AuthNError
    return kind(error.status_code, error.message, error.req_url, error.req, tcode=error.tcode)
