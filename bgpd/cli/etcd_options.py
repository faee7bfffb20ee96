"""Which etcd ``bgpctl`` writes to: options, a bgp.toml, or the variables that Calico's tools know.

In this order: ``--etcd-endpoints``; the ``[etcd]`` of ``--config``; ``ETCD_ENDPOINTS`` (or ``ETCD_AUTHORITY`` with
``ETCD_SCHEME``, as in Calico 2); the ``[etcd]`` of the daemon's own file; else the host itself.
"""

import os
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, TypeVar
from urllib.parse import urlsplit

import typer

from bgpd.api.rows import Failure
from bgpd.cli.client import Refusal
from bgpd.cli.main import DEFAULT_CONFIG

if TYPE_CHECKING:
    from bgpd.config import ResolvedEtcd
    from bgpd.datastore.etcd import Etcd

HERE: Final = "http://127.0.0.1:2379"
DEFAULT_PREFIX: Final = "/calico"
_WRONG: Final = 400  # HTTP's status for what the caller got wrong
_FILES: Final = (("ca_file", "ETCD_CA_CERT_FILE"), ("cert_file", "ETCD_CERT_FILE"), ("key_file", "ETCD_KEY_FILE"))

Answer = TypeVar("Answer")

EndpointsOption = Annotated[
    str,
    typer.Option(
        "--etcd-endpoints", metavar="URL,…", help="Members of etcd.  [env: ETCD_ENDPOINTS]", show_default=False
    ),
]
ConfigOption = Annotated[
    Path | None,
    typer.Option("--config", "-c", metavar="FILE", help="A bgp.toml whose [etcd] is used.", show_default=False),
]


def with_etcd(endpoints: str, config: Path | None, act: "Callable[[Etcd, str], Awaitable[Answer]]") -> Answer:
    """Return what comes of it with a client of etcd and the prefix of the keys. Raises StoreError, Refusal."""
    import asyncio
    from random import Random

    from bgpd.cli.check import quiet_grpc

    quiet_grpc()
    from bgpd.datastore.etcd import Etcd

    settings = etcd_settings(endpoints, config, os.environ)

    async def run() -> Answer:
        client = Etcd(settings, Random())
        try:
            return await act(client, settings.prefix)
        finally:
            await client.close()

    return asyncio.run(run())


def etcd_settings(endpoints: str, config: Path | None, environment: Mapping[str, str]) -> "ResolvedEtcd":
    """Return how etcd is reached. Raises Refusal."""
    found = _of_file(config) if config is not None else None
    if config is not None and found is None:
        raise _refusal(f"{config} has no [etcd] table", "name the members with --etcd-endpoints")
    named = endpoints or ("" if found is not None else _named(environment))
    if found is None and not named and DEFAULT_CONFIG.exists():
        found = _of_file(DEFAULT_CONFIG)
    if found is None:
        found = _of_environment(environment)
    return replace(found, endpoints=_urls(named)) if named else found


def _named(environment: Mapping[str, str]) -> str:
    if listed := environment.get("ETCD_ENDPOINTS", ""):
        return listed
    authority = environment.get("ETCD_AUTHORITY", "")
    return f"{environment.get('ETCD_SCHEME') or 'http'}://{authority}" if authority else ""


def _of_environment(environment: Mapping[str, str]) -> "ResolvedEtcd":
    from bgpd.config import ResolvedEtcd

    files = {name: environment.get(variable, "") for name, variable in _FILES}
    username, password = environment.get("ETCD_USERNAME", ""), environment.get("ETCD_PASSWORD", "")
    if bool(files["cert_file"]) != bool(files["key_file"]):
        raise _refusal("ETCD_CERT_FILE and ETCD_KEY_FILE: expected both or neither", "")
    if username and not password:
        raise _refusal("ETCD_PASSWORD: is missing; expected it together with ETCD_USERNAME", "")
    return ResolvedEtcd(
        endpoints=(HERE,),
        **files,
        username=username,
        password_file=_in_memory(password) if username else "",
        prefix=DEFAULT_PREFIX,
    )


def _in_memory(password: str) -> str:
    """Return the path of a file that only this process has: the client reads passwords from files."""
    descriptor = os.memfd_create("etcd-password")
    os.write(descriptor, password.encode())
    return f"/proc/self/fd/{descriptor}"


def _of_file(path: Path) -> "ResolvedEtcd | None":
    from bgpd.config import ConfigError, load, resolve_process

    try:
        return resolve_process(load(path)).etcd
    except ConfigError as error:
        raise _refusal(str(error), "") from error


def _urls(listed: str) -> tuple[str, ...]:
    urls = tuple(filter(None, map(str.strip, listed.split(","))))
    for url in urls:
        try:
            parts = urlsplit(url)
            is_good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port is not None
        except ValueError:
            is_good = False
        if not is_good:
            raise _refusal(f'etcd endpoint: expected a URL with its port: "{HERE}", found "{url}"', "")
    if not urls:
        raise _refusal("etcd endpoints: expected a URL, found none", "")
    return urls


def _refusal(why: str, hint: str) -> Refusal:
    return Refusal(_WRONG, Failure(why, hint))
