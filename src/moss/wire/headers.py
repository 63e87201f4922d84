"""Names of HTTP headers, one place for all of them. Values are described where they are produced.

Header names match in any letter case; they are written as here. Source: spec/rest-data.md 1.5, 4.2, 5.1,
spec/rest-control.md 2.3 and 15.2, spec/getbatch.md 2.4 and 3.4.
"""

from typing import Final

# --- of the reference ---
HDR_ERROR: Final = "Hdr-Error"  # the error document, for HEAD
CHECKSUM_TYPE: Final = "Ais-Checksum-Type"
CHECKSUM_VALUE: Final = "Ais-Checksum-Value"
ATIME: Final = "Ais-Atime"
VERSION: Final = "Ais-Version"
CUSTOM_MD: Final = "Ais-Custom-Md"
PRESENT: Final = "Ais-Present"
BUCKET_PROPS: Final = "Ais-Bucket-Props"
BUCKET_SUMMARY: Final = "Ais-Bucket-Summ"
BUCKET_NAME: Final = "Ais-Bucket-Name"
BUCKET_PROVIDER: Final = "Ais-Bucket-Provider"
BUCKET_NAMESPACE_UUID: Final = "Ais-Bucket-Namespace-Uuid"
BUCKET_NAMESPACE_NAME: Final = "Ais-Bucket-Namespace-Name"
NAME: Final = "Ais-Name"
OBJECT_LOCATION: Final = "Ais-Location"
MIRROR_COPIES: Final = "Ais-Mirror-Copies"
MIRROR_PATHS: Final = "Ais-Mirror-Paths"
CHUNKS_COUNT: Final = "Ais-Chunks-Count"
CHUNKS_SIZE_MAX: Final = "Ais-Chunks-Max-Chunk-Size"
INVENTORY_NAME: Final = "Ais-Inv-Name"
PINE: Final = "Ais-Pine"
BLOB_DOWNLOAD: Final = "Ais-Blob-Download"
BLOB_CHUNK: Final = "Ais-Blob-Chunk"
BLOB_WORKERS: Final = "Ais-Blob-Workers"
BLOB_READ_TIMEOUT: Final = "Ais-Blob-Read-Timeout"
BLOB_THRESHOLD: Final = "Ais-Blob-Threshold"
XACTION_ID: Final = "Ais-Xaction-Id"
CALLER_ID: Final = "Ais-Caller-Id"
CALLER_NAME: Final = "Ais-Caller-Name"
CLUSTER_UPTIME: Final = "Ais-Cluster-Uptime"
NODE_UPTIME: Final = "Ais-Node-Uptime"
NODE_ID: Final = "Ais-Node-Id"
APPEND_HANDLE: Final = "Ais-Append-Handle"
NODE_FLAGS: Final = "Ais-Node-Flags"
NODE_VERSION: Final = "Ais-Node-Version"
NODE_URL: Final = "Ais-Node-Url"
REMOTE_AIS_ALIAS: Final = "Ais-Remote-Ais-Alias"
REMOTE_AIS_URL: Final = "Ais-Remote-Ais-Url"

# --- of HTTP ---
ACCEPT_RANGES: Final = "Accept-Ranges"
ACCEPT: Final = "Accept"
ALLOW: Final = "Allow"
AUTHORIZATION: Final = "Authorization"
CONTENT_LENGTH: Final = "Content-Length"
CONTENT_RANGE: Final = "Content-Range"
CONTENT_TYPE: Final = "Content-Type"
CONTENT_TYPE_OPTIONS: Final = "X-Content-Type-Options"
ETAG: Final = "ETag"
LOCATION: Final = "Location"
RANGE: Final = "Range"
RETRY_AFTER: Final = "Retry-After"
TRANSFER_ENCODING: Final = "Transfer-Encoding"
USER_AGENT: Final = "User-Agent"

# --- ours; other servers ignore them ---
MOSS_DIRECT: Final = "Moss-Direct"
"""`1`: the gateway may answer itself with 200 where it would redirect."""
MOSS_BATCH_STATUS: Final = "Moss-Batch-Status"
"""`1`: placeholders of a streamed TAR are preceded by pax records; the answer repeats the header when it does so."""
MOSS_BATCH_CHECKSUM: Final = "Moss-Batch-Checksum"
"""`1`: every entry of a streamed TAR is preceded by pax records with its checksum; repeated like the above."""

# --- pax keys that the two headers above ask for ---
PAX_INDEX: Final = "MOSS.index"  # decimal index of the entry in the request
PAX_ERROR: Final = "MOSS.error"  # why the entry is a placeholder
PAX_XXH3: Final = "MOSS.xxh3"  # xxh3_64 of the payload, 16 hex digits

# --- values ---
JSON: Final = "application/json"
JSON_UTF8: Final = "application/json; charset=utf-8"
MSGPACK: Final = "application/msgpack"
OCTET_STREAM: Final = "application/octet-stream"
TEXT: Final = "text/plain; charset=utf-8"
NOSNIFF: Final = "nosniff"
