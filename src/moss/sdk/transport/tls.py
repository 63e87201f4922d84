"""TLS settings of both transports; apart because `ssl` is slow to import."""

import ssl

from moss.sdk.transport.http1 import Settings

__all__ = ["build_context"]


def build_context(settings: Settings) -> ssl.SSLContext:
    """TLS context for a client: system authorities or the given file, optional client certificate."""
    context = ssl.create_default_context(cafile=settings.ca_cert)
    if not settings.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if settings.client_cert:
        pair = (settings.client_cert,) if isinstance(settings.client_cert, str) else settings.client_cert
        context.load_cert_chain(*pair)
    return context
