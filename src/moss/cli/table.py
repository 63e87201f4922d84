"""The command table: every command line word by word, and the module that runs it. Nothing is imported before use.

One section per area. A key is the words of a command; a command may have further commands below it (`show cluster`,
`show cluster smap`): the longest match is run. Source of the words: spec/cli.md 5.
"""

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from moss.cli.options import Command

__all__ = ["ALIASES", "COMMANDS", "GROUPS", "PROGRAM", "Entry", "load", "resolve", "words_below"]

PROGRAM = "ais"
Words = tuple[str, ...]


class Entry(NamedTuple):
    """Where a command lives: its module under `moss.cli.commands`, the name of its `Command`, one line of help."""

    module: str
    attribute: str
    summary: str


_ML = {
    "ml get-batch": Entry("ml", "GET_BATCH", "get many objects and archived files as one archive"),
    "ml lhotse-get-batch": Entry("lhotse", "LHOTSE_GET_BATCH", "get the recordings of Lhotse cuts as archives"),
}

_BUCKETS = {
    "bucket cp": Entry("bucket_copy", "COPY", "copy a bucket, some of its objects, or one object"),
    "bucket create": Entry("bucket", "CREATE", "create buckets"),
    "bucket evict": Entry("evict", "EVICT", "remove the cluster's copies of remote buckets or objects"),
    "bucket ls": Entry("listing", "LIST", "list buckets, objects, or files in shards"),
    "bucket lru": Entry("bucket_props", "LRU", "show or switch the eviction of what was not used for long"),
    "bucket mv": Entry("bucket_move", "MOVE", "give a bucket another name"),
    "bucket props": Entry("bucket_props", "SHOW", "show, set and reset the properties of a bucket"),
    "bucket props reset": Entry("bucket_props", "RESET", "set all properties to the defaults of the cluster"),
    "bucket props set": Entry("bucket_props", "SET", "set properties of a bucket"),
    "bucket props show": Entry("bucket_props", "SHOW", "show the properties of a bucket"),
    "bucket rechunk": Entry("rechunk", "RECHUNK", "store objects in parts of another size"),
    "bucket rm": Entry("bucket", "REMOVE", "destroy buckets with all their objects"),
    "bucket shard-index build": Entry("shard_index", "BUILD", "index the shards of a bucket"),
    "bucket shard-index summary": Entry("shard_index", "SUMMARY", "show how many shards are indexed"),
    "bucket show": Entry("bucket_props", "SHOW", "show the properties of a bucket"),
    "bucket summary": Entry("summary", "SUMMARY", "count the objects and bytes of buckets"),
    "show bucket": Entry("bucket_props", "SHOW", "show the properties of a bucket"),
    "storage summary": Entry("summary", "SUMMARY", "count the objects and bytes of buckets"),
}

_OBJECTS = {
    "archive ls": Entry("listing", "LIST_ARCHIVE", "list shards and the files in them"),
    "archive bucket": Entry("archive_bucket", "ARCHIVE_BUCKET", "have the cluster make a shard of objects"),
    "archive gen-shards": Entry("gen_shards", "GENERATE", "make shards of random files, to try things out"),
    "archive put": Entry("archive_put", "ARCHIVE_PUT", "make a shard of files, or add files to one"),
    "archive get": Entry("get", "ARCHIVE_GET", "get a file out of a shard, or unpack it"),
    "object cat": Entry("get", "CAT", "print an object"),
    "object get": Entry("get", "GET", "get objects, archived files, or byte ranges"),
    "object ls": Entry("listing", "LIST", "list buckets, objects, or files in shards"),
    "object cp": Entry("bucket_copy", "COPY", "copy a bucket, some of its objects, or one object"),
    "object mv": Entry("object_change", "MOVE", "give an object another name in its bucket"),
    "object set-custom": Entry("object_change", "SET_CUSTOM", "set custom properties of an object"),
    "object promote": Entry("promote", "PROMOTE", "make objects of files that the targets have on their own disks"),
    "object multipart-upload create": Entry("multipart", "CREATE", "begin an upload in parts"),
    "object multipart-upload put-part": Entry("multipart", "PUT_PART", "send one part of an upload"),
    "object multipart-upload complete": Entry("multipart", "COMPLETE", "make the object of its parts"),
    "object multipart-upload abort": Entry("multipart", "ABORT", "forget an upload and its parts"),
    "object concat": Entry("concat", "CONCAT", "add the content of files to the end of an object"),
    "object put": Entry("put", "PUT", "put files or directories as objects"),
    "object evict": Entry("evict", "EVICT", "remove the cluster's copies of remote objects"),
    "object prefetch": Entry("prefetch", "PREFETCH", "fetch objects of a remote bucket into the cluster"),
    "object rm": Entry("object_remove", "REMOVE", "remove objects"),
    "object show": Entry("show_object", "SHOW_OBJECT", "show the properties of an object"),
    "job start download": Entry("download", "DOWNLOAD", "have the cluster download from the internet"),
    "job start blob-download": Entry("blob_download", "BLOB_DOWNLOAD", "fetch large remote objects by many ranges"),
    "show object": Entry("show_object", "SHOW_OBJECT", "show the properties of an object"),
}

_JOBS = {
    "job start": Entry("job_start", "START", "start a job"),
    "job stop": Entry("job", "STOP", "stop jobs"),
    "job wait": Entry("job", "WAIT", "wait until jobs have finished"),
    "job rm": Entry("job", "REMOVE", "forget downloads and sorts that have finished"),
    "job show": Entry("job_show", "SHOW", "show jobs: what runs, how far it is, how it ended"),
    "show job": Entry("job_show", "SHOW", "show jobs: what runs, how far it is, how it ended"),
}

_CLUSTER_VIEWS = {
    "": Entry("cluster_show", "SHOW", "show the nodes of the cluster: memory, load, capacity, state"),
    " bmd": Entry("cluster_show", "BMD", "show the buckets that the cluster keeps metadata of"),
    " config": Entry("config", "SHOW_CLUSTER", "show the cluster's configuration"),
    " cpu": Entry("cluster_show", "CPU", "show the load of the nodes"),
    " memory": Entry("cluster_show", "MEMORY", "show the memory of the nodes"),
    " smap": Entry("cluster_show", "SMAP", "show the cluster map, as the primary or another node sees it"),
    " stats": Entry("performance", "COUNTERS", "show what the targets have counted since their start"),
}

_PERFORMANCE = {
    "": Entry("performance", "ALL", "show counters, throughput and latency of the targets"),
    " capacity": Entry("storage_show", "CAPACITY", "show how full the targets are"),
    " counters": Entry("performance", "COUNTERS", "show what the targets have counted since their start"),
    " disk": Entry("storage_show", "DISKS", "show what the disks of the targets are doing"),
    " intra-data": Entry("performance", "STREAMS", "show what the targets send to each other"),
    " latency": Entry("performance", "LATENCY", "show how long operations of the targets take"),
    " throughput": Entry("performance", "THROUGHPUT", "show how many bytes a second the targets read and write"),
}

_CLUSTER = {
    **{f"{words}{key}": entry for words in ("show cluster", "cluster show") for key, entry in _CLUSTER_VIEWS.items()},
    **{f"{words}{key}": entry for words in ("performance", "show performance") for key, entry in _PERFORMANCE.items()},
    "advanced check-lock": Entry("advanced", "CHECK_LOCK", "tell whether an object is being read or written"),
    "advanced disable-backend": Entry("advanced", "DISABLE_BACKEND", "disable a cloud backend"),
    "advanced enable-backend": Entry("advanced", "ENABLE_BACKEND", "enable a cloud backend again"),
    "advanced preload": Entry("advanced", "PRELOAD", "load the metadata of a bucket's objects into memory"),
    "advanced random-mountpath": Entry("advanced", "RANDOM_MOUNTPATH", "print some mountpath of some target"),
    "advanced random-node": Entry("advanced", "RANDOM_NODE", "print the id of some node"),
    "advanced remove-from-smap": Entry("advanced", "REMOVE_FROM_MAP", "remove a node from the cluster map at once"),
    "advanced rotate-logs": Entry("advanced", "ROTATE_LOGS", "have nodes begin a new log"),
    "cluster add-remove-nodes decommission": Entry("cluster_nodes", "DECOMMISSION_NODE", "remove nodes for good"),
    "cluster add-remove-nodes join": Entry("cluster_nodes", "JOIN", "take a node into the cluster"),
    "cluster add-remove-nodes shutdown": Entry("cluster_nodes", "SHUTDOWN_NODE", "shut nodes down; they may come back"),
    "cluster add-remove-nodes start-maintenance": Entry(
        "cluster_nodes", "START_MAINTENANCE", "put nodes into maintenance"
    ),
    "cluster add-remove-nodes stop-maintenance": Entry("cluster_nodes", "STOP_MAINTENANCE", "take nodes back"),
    "cluster dashboard": Entry("cluster_show", "DASHBOARD", "show how the cluster is doing, on one screen"),
    "cluster decommission": Entry("cluster", "DECOMMISSION", "end the cluster for good"),
    "cluster download-logs": Entry("log", "DOWNLOAD", "download the logs of all nodes"),
    "cluster drop-lcache": Entry("cluster", "DROP_LCACHE", "drop what targets keep of metadata in memory"),
    "cluster reload-backend-creds": Entry("cluster", "RELOAD_CREDS", "read credentials of cloud backends again"),
    "cluster remote-attach": Entry("cluster", "ATTACH", "attach a remote cluster"),
    "cluster remote-detach": Entry("cluster", "DETACH", "detach a remote cluster"),
    "cluster reset-stats": Entry("cluster", "RESET_STATS", "set the counters of all nodes, or of one, to zero"),
    "cluster set-primary": Entry("cluster_nodes", "SET_PRIMARY", "make another gateway the primary"),
    "cluster shutdown": Entry("cluster", "SHUTDOWN", "shut the cluster down"),
    "log get": Entry("log", "GET", "download the log of a node, or the logs of all nodes"),
    "log show": Entry("log", "SHOW", "show the log of a node, or of all nodes"),
    "nbi create": Entry("nbi", "CREATE", "make an inventory of a remote bucket"),
    "nbi rm": Entry("nbi", "REMOVE", "remove inventories"),
    "nbi show": Entry("nbi", "SHOW", "show inventories"),
    "show dashboard": Entry("cluster_show", "DASHBOARD", "show how the cluster is doing, on one screen"),
    "show log": Entry("log", "SHOW", "show the log of a node, or of all nodes"),
    "show nbi": Entry("nbi", "SHOW", "show inventories"),
    "show rebalance": Entry("cluster_state", "REBALANCE", "show rebalancing: what moves between the targets"),
    "show remote cluster": Entry("cluster_state", "REMOTE_CLUSTERS", "show attached remote clusters"),
    "show remote-cluster": Entry("cluster_state", "REMOTE_CLUSTERS", "show attached remote clusters"),
    "show storage": Entry("storage_show", "CAPACITY", "show how full the targets are"),
    "show storage capacity": Entry("storage_show", "CAPACITY", "show how full the targets are"),
    "show storage disk": Entry("storage_show", "DISKS", "show what the disks of the targets are doing"),
    "show storage mountpath": Entry("storage_show", "MOUNTPATHS", "show the mountpaths of the targets"),
    "show storage summary": Entry("summary", "SUMMARY", "count the objects and bytes of buckets"),
    "show tls": Entry("cluster_state", "SHOW_CERTIFICATE", "show the certificate of the primary, or of another node"),
    "storage capacity": Entry("storage_show", "CAPACITY", "show how full the targets are"),
    "storage cleanup": Entry("storage", "CLEANUP", "remove deleted objects and abandoned work files"),
    "storage disk": Entry("storage_show", "DISKS", "show what the disks of the targets are doing"),
    "storage mountpath attach": Entry("storage", "ATTACH", "attach mountpaths to targets"),
    "storage mountpath detach": Entry("storage", "DETACH", "detach mountpaths from targets"),
    "storage mountpath disable": Entry("storage", "DISABLE", "disable mountpaths"),
    "storage mountpath enable": Entry("storage", "ENABLE", "enable mountpaths again"),
    "storage mountpath fshc": Entry("storage", "CHECK", "check the file systems of mountpaths"),
    "storage mountpath rescan": Entry("storage", "RESCAN", "look for new disks under mountpaths"),
    "storage mountpath show": Entry("storage_show", "MOUNTPATHS", "show the mountpaths of the targets"),
    "storage show": Entry("storage_show", "CAPACITY", "show how full the targets are"),
    "storage validate": Entry("storage", "VALIDATE", "check where objects are, and what is wrong with them"),
    "tls load-certificate": Entry("cluster_state", "LOAD_CERTIFICATE", "have nodes read their certificate again"),
    "tls show": Entry("cluster_state", "SHOW_CERTIFICATE", "show the certificate of the primary, or of another node"),
    "tls validate-certificates": Entry("cluster_state", "VALIDATE_CERTIFICATES", "check the certificates of all nodes"),
}

_CONFIG = {
    "config cluster": Entry("config", "CLUSTER", "show or change the cluster's configuration"),
    "config node": Entry("config", "NODE", "show or change the configuration of one node"),
    "config reset": Entry("config", "RESET", "take back changes of single nodes, or settings of this program"),
    "show config cluster": Entry("config", "SHOW_CLUSTER", "show the cluster's configuration"),
    "show config node": Entry("config", "NODE", "show or change the configuration of one node"),
}

_ETL_AND_DSORT = {
    "etl bucket": Entry("etl_transform", "BUCKET", "transform a bucket into another bucket"),
    "etl init": Entry("etl", "INIT", "start transformations that a specification defines"),
    "etl inspect": Entry("etl_transform", "INSPECT", "try a transformation on a bucket, keep nothing but the errors"),
    "etl object": Entry("etl_transform", "OBJECT", "get a transformed object, or store it in the cluster"),
    "etl rm": Entry("etl", "REMOVE", "stop transformations and forget them"),
    "etl show": Entry("etl_show", "SHOW", "show transformations, or how some of them were started"),
    "etl show errors": Entry("etl_show", "SHOW_ERRORS", "show the objects that a transformation failed on"),
    "etl start": Entry("etl", "START", "start transformations again that were stopped"),
    "etl stop": Entry("etl", "STOP", "stop transformations; their definitions are kept"),
    "etl view-logs": Entry("etl_show", "LOGS", "show what a transformation wrote on the targets"),
    "job start dsort": Entry("dsort", "START", "sort the records of a bucket's shards into new shards"),
    "show etl": Entry("etl_show", "SHOW", "show transformations, or how some of them were started"),
    "show etl errors": Entry("etl_show", "SHOW_ERRORS", "show the objects that a transformation failed on"),
}

_AUTH = {
    "auth login": Entry("auth", "LOGIN", "log in to the AuthN service"),
    "auth logout": Entry("auth", "LOGOUT", "revoke the token of the last login"),
    "auth whoami": Entry("auth", "WHOAMI", "show who is logged in"),
    "auth show user": Entry("auth_show", "SHOW_USER", "show users and their roles"),
    "auth show role": Entry("auth_show", "SHOW_ROLE", "show roles"),
    "auth show cluster": Entry("auth_show", "SHOW_CLUSTER", "show registered clusters"),
    "auth show config": Entry("auth_show", "SHOW_CONFIG", "show the configuration of the service"),
    "auth show oidc": Entry("auth_show", "SHOW_OIDC", "show the OpenID configuration"),
    "auth show jwks": Entry("auth_show", "SHOW_JWKS", "show the keys that tokens are verified with"),
    "auth show public-key": Entry("auth_show", "SHOW_KEY", "show the public key of the service"),
    "auth add user": Entry("auth_admin", "ADD_USER", "add a user"),
    "auth add role": Entry("auth_admin", "ADD_ROLE", "add a role"),
    "auth add cluster": Entry("auth_admin", "ADD_CLUSTER", "register a cluster"),
    "auth set user": Entry("auth_admin", "SET_USER", "change the password or the roles of a user"),
    "auth set role": Entry("auth_admin", "SET_ROLE", "change a role"),
    "auth set cluster": Entry("auth_admin", "SET_CLUSTER", "change a registered cluster"),
    "auth rm user": Entry("auth_admin", "REMOVE_USER", "remove a user"),
    "auth rm role": Entry("auth_admin", "REMOVE_ROLE", "remove a role"),
    "auth rm cluster": Entry("auth_admin", "REMOVE_CLUSTER", "remove the registration of a cluster"),
    "auth rm token": Entry("auth", "REMOVE_TOKEN", "revoke a token"),
}

_FRAME = {
    "alias": Entry("alias", "SHOW", "show, make and remove aliases"),
    "alias show": Entry("alias", "SHOW", "show aliases"),
    "alias set": Entry("alias", "SET", "make or change an alias"),
    "alias rm": Entry("alias", "REMOVE", "remove an alias"),
    "alias reset": Entry("alias", "RESET", "go back to the built-in aliases"),
    "completion": Entry("completion", "COMPLETION", "print the completion script of a shell"),
    "config cli": Entry("config_cli", "CLI", "show or change the configuration of this program"),
    "config cli show": Entry("config_cli", "SHOW", "show the configuration of this program"),
    "config cli set": Entry("config_cli", "SET", "change the configuration of this program"),
    "config cli reset": Entry("config_cli", "RESET", "set it back to its defaults"),
    "search": Entry("search", "SEARCH", "find commands by words"),
    "version": Entry("version", "VERSION", "show the version of this program"),
}

COMMANDS: dict[Words, Entry] = {
    tuple(key.split()): entry
    for section in (_ML, _BUCKETS, _OBJECTS, _JOBS, _CLUSTER, _CONFIG, _ETL_AND_DSORT, _AUTH, _FRAME)
    for key, entry in section.items()
}

_SUMMARIES = {
    "advanced": "helpers for those who develop and operate clusters",
    "archive": "shards: make, list and read archives",
    "auth": "log in, and manage users, roles and clusters of an AuthN service",
    "auth add": "add users, roles and clusters",
    "auth rm": "remove users, roles, clusters and tokens",
    "auth set": "change users, roles and clusters",
    "auth show": "show users, roles, clusters and settings of the AuthN service",
    "config": "show and change the configuration of the cluster, of nodes and of this program",
    "cluster": "nodes, the primary, remote clusters, statistics",
    "cluster add-remove-nodes": "take nodes into the cluster and out of it",
    "etl": "transformations of objects: start, stop, apply",
    "job": "start, stop, wait for and look at jobs",
    "log": "show and download the logs of nodes",
    "ml": "machine-learning data: batches of objects",
    "nbi": "inventories of remote buckets, to list from",
    "bucket": "create, list, copy and destroy buckets",
    "bucket shard-index": "tables of what is where in shards",
    "object": "put, get, list and remove objects",
    "object multipart-upload": "write one object in parts, step by step",
    "show": "show what is stored and what runs",
    "storage": "disks, and what the buckets hold of them",
    "show remote": "show attached remote clusters",
    "storage mountpath": "folders and disks that targets store in",
    "tls": "certificates of the nodes",
    "show config": "show the configuration of the cluster, of nodes and of this program",
}

GROUPS: dict[Words, str] = {tuple(key.split()): summary for key, summary in _SUMMARIES.items()}
"""One line of help for words that have commands below them and are none themselves."""

_ALIASES = {
    "cp": "bucket cp",
    "create": "bucket create",
    "blob-download": "job start blob-download",
    "download": "job start download",
    "evict": "bucket evict",
    "get": "object get",
    "ls": "bucket ls",
    "mpu": "object multipart-upload",
    "prefetch": "object prefetch",
    "put": "object put",
    "rmb": "bucket rm",
    "rmo": "object rm",
    "dsort": "job start dsort",
    "scrub": "storage validate",
    "space-cleanup": "storage cleanup",
    "start": "job start",
    "stop": "job stop",
    "wait": "job wait",
}

ALIASES: dict[str, Words] = {word: tuple(command.split()) for word, command in _ALIASES.items()}
"""What is built in; users add their own (`moss.cli.aliases`)."""


def resolve(words: list[str], aliases: dict[str, Words] | None = None) -> tuple[Words, list[str]]:
    """Follow words down the table as far as they name groups or a command; returns that path and the other words.

    Args:
        aliases: first words that stand for others; None takes the built-in ones.
    """
    aliases = ALIASES if aliases is None else aliases
    if words and words[0] in aliases and not _is_known(words[:1]):
        words = [*aliases[words[0]], *words[1:]]
    depth = 0
    while depth < len(words) and _is_known(words[: depth + 1]):
        depth += 1
    return tuple(words[:depth]), words[depth:]


def words_below(path: Words) -> list[str]:
    """The words that may follow a path, sorted."""
    depth = len(path)
    return sorted({words[depth] for words in COMMANDS if len(words) > depth and words[:depth] == path})


def load(entry: Entry) -> "Command":
    """Import the module of a command and return its `Command`."""
    from importlib import import_module

    return getattr(import_module(f"moss.cli.commands.{entry.module}"), entry.attribute)


_PREFIXES = {words[:depth] for words in COMMANDS for depth in range(1, len(words) + 1)}


def _is_known(words: list[str]) -> bool:
    return tuple(words) in _PREFIXES
