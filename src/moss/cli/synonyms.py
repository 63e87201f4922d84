"""Words that mean the same as the words of the command table, for `ais search` and for suggestions.

Source: spec/cli.md 5.13.
"""

__all__ = ["SYNONYMS", "means"]

_TABLE = """
mountpath: mount unmount umount disk
ls: list dir contents
set: update assign modify
show: view display list
rm: remove delete del evict destroy cleanup
mv: move rename ren
cp: copy replicate backup
get: fetch read download
prefetch: load preload warmup cache get
mirror: protect replicate copy n-way backup redundancy
ec-encode: protect encode replicate erasure-code backup redundancy
start: do run execute
stop: abort terminate
put: update write promote modify upload
create: add new
object: file
storage: disk mountpath capacity used available
bucket: dir directory container
job: batch async
archive: serialize format reformat compress tar zip gzip
add: register create
whoami: identity current logged self
cleanup: remove delete evict
download: load populate copy cp
tls: x509 X509 X.509 certificate https
nbi: inventory snapshot
ml: batch training dataset
get-batch: moss multi-get
lhotse-get-batch: cuts manifest audio
"""

SYNONYMS: dict[str, frozenset[str]] = {
    word: frozenset(others.split()) for word, _, others in (line.partition(":") for line in _TABLE.strip().split("\n"))
}
"""For a word of a command the words that people say instead."""


def means(command_word: str, word: str) -> bool:
    """Whether people say `word` for a word of a command."""
    return word in SYNONYMS.get(command_word, ())
