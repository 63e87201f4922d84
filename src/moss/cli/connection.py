"""The SDK's client as the command line uses it, and its errors in the words of the command line."""

from typing import TYPE_CHECKING

from moss.cli.failures import CommandError
from moss.cli.settings import Settings
from moss.errors import MossError

if TYPE_CHECKING:
    from moss.sdk import Client, RetryConfig

TRIES = 5
LOGIN_HINT = "Log in with 'ais auth login', or set AIS_AUTHN_TOKEN or AIS_AUTHN_TOKEN_FILE."


def make_client(settings: Settings) -> "Client":
    """A client that waits for busy servers, but tells at once when nothing answers: somebody is watching."""
    from moss.sdk import Client

    certificate = (settings.cert_file, settings.key_file) if settings.key_file else settings.cert_file or None
    try:
        return Client(
            settings.url,
            skip_verify=settings.skip_verify,
            ca_cert=settings.ca_file or None,
            client_cert=certificate,
            timeout=(settings.connect_timeout_s, settings.http_timeout_s or 0),
            token=settings.token or None,
            retry_config=quick_policy(),
        )
    except ValueError as error:
        raise CommandError(f'unusable address "{settings.url}": {error}') from None


def quick_policy() -> "RetryConfig":
    """Wait for a busy server a few times, and for none that does not answer."""
    from moss.sdk.retry_config import HttpRetry, NetworkRetry, RetryConfig

    busy = frozenset({429, 503})
    return RetryConfig(
        HttpRetry(total=TRIES - 1, backoff_factor=0.25, backoff_max=10.0, status_forcelist=busy),
        NetworkRetry(attempts=1),
    )


def explained(error: MossError, url: str) -> CommandError:
    """An error of the SDK as the command line tells it: without names of nodes and types, with what to do next.

    Args:
        url: the gateway that was asked.
    """
    from moss.cli.transport import without_node
    from moss.sdk.errors import APIRequestError, ConnectFailed

    if isinstance(error, ConnectFailed):
        return unreachable(url, error)
    text = without_node(error.message)
    if isinstance(error, APIRequestError):
        text = text or f"HTTP status {error.status_code}"
        if error.status_code == 401:
            return CommandError(text, LOGIN_HINT)
    return CommandError(text)


def unreachable(url: str, error: MossError) -> CommandError:
    """No gateway answers. Source: spec/cli.md E14."""
    return CommandError(
        f"AIStore cannot be reached at {url} ({reason_of(error)})",
        "Set AIS_ENDPOINT to the address of a running cluster (e.g. AIS_ENDPOINT=http://127.0.0.1:51080),",
        "or start one with 'moss serve'.",
    )


def reason_of(error: MossError) -> str:
    """Why a connection failed, in the words of the system when it said something."""
    cause = error.__cause__
    return (cause.strerror if isinstance(cause, OSError) else None) or error.message
