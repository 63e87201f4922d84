# Made by scripts/unasync.py from _async/authn.py; change that file instead.
"""The client of the authentication server."""

import os
from dataclasses import replace
from typing import Any
from urllib.parse import quote

import msgspec

from moss.sdk._sync.authn_managers import ClusterManager, RoleManager, TokenManager, UserManager
from moss.sdk._sync.session import RequestClient
from moss.sdk.authn.errors import authn_error
from moss.sdk.config import resolve_config
from moss.sdk.errors import APIRequestError
from moss.sdk.operations import Request
from moss.sdk.retry_config import RetryConfig

__all__ = ["AuthNClient", "AuthNSession"]

_NS_OF_S = 1_000_000_000


class AuthNSession(RequestClient):
    """The way to the authentication server: requests as to a cluster, errors of its own."""

    def _error(self, *arguments: Any) -> Exception:
        error = super()._error(*arguments)
        return authn_error(error) if isinstance(error, APIRequestError) else error


class AuthNClient:
    """A client of the authentication server. Making one sends nothing.

    Args:
        endpoint: URL of the server.
        skip_verify, ca_cert, timeout: as for `Client`.
        retry: `urllib3.Retry` for retries after error statuses.
        token: of an earlier login; None takes `AIS_AUTHN_TOKEN`.

    Raises:
        ValueError: as for `Client`.
    """

    def __init__(
        self,
        endpoint: str,
        skip_verify: bool = False,
        ca_cert: str | None = None,
        timeout: Any = None,
        retry: Any = None,
        token: str | None = None,
    ) -> None:
        config = resolve_config(
            endpoint,
            skip_verify=skip_verify,
            ca_cert=ca_cert,
            client_cert=None,
            timeout=timeout,
            token=token,
            max_pool_size=None,
            environment=os.environ,
        )
        policy = RetryConfig.default() if retry is None else RetryConfig(http_retry=retry)
        self._session = AuthNSession(config, policy)

    @property
    def client(self) -> RequestClient:
        """The way to the server, with the token of the last login."""
        return self._session

    def _set_token(self, token: str | None) -> None:
        self._session.config = replace(self._session.config, token=token)

    def login(self, username: str, password: str, expires_in: float | None = None) -> str:
        """Log in; later requests of this client carry the token.

        Args:
            expires_in: seconds that the token is valid; 0 asks for the longest time that the server allows.

        Returns:
            The token.

        Raises:
            ValueError: the password is blank.
            ErrUserInvalidCredentials: unknown user or wrong password.
        """
        if not password.strip():
            raise ValueError("Password cannot be empty or spaces only")
        expires_ns = None if expires_in is None else int(expires_in * _NS_OF_S)
        body = msgspec.json.encode({"password": password, "expires_in": expires_ns})
        request = Request("POST", f"/users/{quote(username, safe='')}", body=body)
        token = (self._session.call(request)).json()["token"]
        self._set_token(token)
        return token

    def logout(self) -> None:
        """Revoke the token of this client.

        Raises:
            ValueError: there is none.
        """
        token = self._session.token
        if not token:
            raise ValueError("Must be logged in first (no token)")
        self.token_manager().revoke(token)
        self._set_token(None)

    def cluster_manager(self) -> ClusterManager:
        """Registered clusters."""
        return ClusterManager(self._session)

    def role_manager(self) -> RoleManager:
        """Roles."""
        return RoleManager(self._session)

    def user_manager(self) -> UserManager:
        """Users."""
        return UserManager(self._session)

    def token_manager(self) -> TokenManager:
        """Tokens."""
        return TokenManager(self._session)

    def close(self) -> None:
        """Close the idle connections; the client can be used again."""
        self._session.close()

    def __enter__(self) -> "AuthNClient":
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()
