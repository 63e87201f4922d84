"""Which stores a shell, or the machine itself, has credentials for: found out without asking anybody, and quickly, so
that a node starts at once where there are none.
"""

from collections.abc import Mapping
from pathlib import Path

__all__ = ["GOOGLE_FILES", "has_amazon", "has_google"]

# Any of them says that there are credentials.
_AMAZON = (
    "AWS_ACCESS_KEY_ID",
    "AWS_PROFILE",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
)
_AMAZON_FILES = (("AWS_SHARED_CREDENTIALS_FILE", "~/.aws/credentials"), ("AWS_CONFIG_FILE", "~/.aws/config"))
# Paths of files with credentials.
GOOGLE_FILES = ("GOOGLE_APPLICATION_CREDENTIALS", "GOOGLE_SERVICE_ACCOUNT", "GOOGLE_SERVICE_ACCOUNT_PATH")
_GOOGLE = ("GOOGLE_SERVICE_ACCOUNT_KEY", "STORAGE_EMULATOR_HOST", *GOOGLE_FILES)
_GCLOUD = "application_default_credentials.json"
# A machine of Amazon's or Google's, whose role may have credentials, says so here.
_VENDOR = Path("/sys/devices/virtual/dmi/id/sys_vendor")
_PRODUCT = Path("/sys/devices/virtual/dmi/id/product_name")


def has_amazon(environ: Mapping[str, str]) -> bool:
    """Tell whether there are credentials for S3, or files that may have some."""
    if any(environ.get(name) for name in _AMAZON):
        return True
    if any(Path(environ.get(name) or usual).expanduser().is_file() for name, usual in _AMAZON_FILES):
        return True
    return environ.get("AWS_EC2_METADATA_DISABLED", "").lower() != "true" and _says(_VENDOR, "Amazon EC2")


def has_google(environ: Mapping[str, str]) -> bool:
    """Tell whether there are credentials for Google Cloud Storage."""
    if any(environ.get(name) for name in _GOOGLE):
        return True
    folder = Path(environ.get("CLOUDSDK_CONFIG") or "~/.config/gcloud").expanduser()
    return (folder / _GCLOUD).is_file() or _says(_PRODUCT, "Google Compute Engine")


def _says(path: Path, start: str) -> bool:
    try:
        return path.read_text(errors="replace").startswith(start)
    except OSError:
        return False
