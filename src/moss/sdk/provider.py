"""Bucket providers as users of the SDK name them. The naming rules themselves are in `moss.naming.bucket`."""

from enum import StrEnum

from moss.sdk.errors import InvalidBckProvider

__all__ = ["PROVIDER_AIS", "PROVIDER_AMAZON", "PROVIDER_AZURE", "PROVIDER_GOOGLE", "PROVIDER_OCI", "Provider"]


class Provider(StrEnum):
    """Who keeps a bucket. Equal to its text, so both `provider == "aws"` and `provider.value` work."""

    AIS = "ais"
    AMAZON = "aws"
    AZURE = "azure"
    GOOGLE = "gcp"
    OCI = "oci"
    HTTP = "ht"

    def is_remote(self) -> bool:
        """True for every provider but the cluster itself."""
        return self is not Provider.AIS

    @classmethod
    def parse(cls, provider: "str | Provider") -> "Provider":
        """Turn a provider word or an alias (`s3`, `gs`, `az`, `oc`) into a provider.

        Raises:
            InvalidBckProvider: unknown word.
        """
        if isinstance(provider, cls):
            return provider
        found = _WORDS.get(provider)
        if found is None:
            raise InvalidBckProvider(provider)
        return found


_WORDS = {p.value: p for p in Provider} | {
    "s3": Provider.AMAZON,
    "gs": Provider.GOOGLE,
    "az": Provider.AZURE,
    "oc": Provider.OCI,
}

PROVIDER_AIS = Provider.AIS
PROVIDER_AMAZON = Provider.AMAZON
PROVIDER_AZURE = Provider.AZURE
PROVIDER_GOOGLE = Provider.GOOGLE
PROVIDER_OCI = Provider.OCI
