"""Easy URLs: `/<scheme>/B[/O]` is short for `/v1/objects/B/O`, `/v1/buckets/B` or `/v1/buckets`.

Source: spec/rest-data.md 1.2. Inner slashes of the object's name are kept (ours).
"""

from typing import TYPE_CHECKING, Any

from moss.errors import InvalidRequest
from moss.naming.bucket import validate_bucket_name
from moss.node.server.http import Handler, Request, Response

if TYPE_CHECKING:
    from moss.node.server.routes import RouteTable

# Scheme → provider, as the long form has it.
SCHEMES = {"ais": "ais", "s3": "aws", "gs": "gcp", "az": "azure"}


def handler(scheme: str, routes: "RouteTable") -> Handler:
    """Return the handler of one scheme's short addresses, which serves them as the long ones."""

    async def serve(node: Any, request: Request) -> Response | None:
        rewrite(request, SCHEMES[scheme])
        found = routes.find(request)
        return found if isinstance(found, Response) else await found(node, request)

    return serve


def rewrite(request: Request, provider: str) -> None:
    """Turn a short address into the long one, in place.

    Raises:
        InvalidName: no bucket has this name.
        InvalidRequest: PUT without the name of an object.
    """
    _, _, rest = request.path.lstrip("/").partition("/")
    rest = rest.lstrip("/")
    has_object = bool(rest.partition("/")[2].lstrip("/"))
    if len(request.items) > 1:
        validate_bucket_name(request.items[1])
    if has_object:
        path = f"/v1/objects/{rest}"
    elif request.method == "PUT":
        raise InvalidRequest('missing destination object name in the "easy URL"')
    else:
        path = f"/v1/buckets/{rest.rstrip('/')}".rstrip("/")
    query = request.query_string
    if "provider" not in request.query:
        query = f"{query}&provider={provider}" if query else f"provider={provider}"
    request.readdress(path, query)


async def refuse(node: Any, request: Request) -> Response | None:
    """Refuse short addresses at a target: they are the gateway's."""
    raise InvalidRequest('trying to execute "easy URL" via AIS target? (hint: use proxy)')
