"""How the content of an object is fetched: in one stream, or in several ranges at once."""
