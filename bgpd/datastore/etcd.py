"""etcd's v3 API: reads at one revision, watches, writes and leases, over whichever member answers.

The only module that knows aetcd, of which it uses the messages and stubs; aetcd's own client speaks to one member,
without TLS, with a token that it fetches once, and a watch of it loses the revisions (docs/adr/0007). Members are tried
in an order drawn at the start; one that fails is left for the next at once, and who asks decides when to try them all
again. Certificates, keys and the password are read when a member is turned to, so renewed ones need no restart. Times
are seconds.
"""

import asyncio
import ssl
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Iterator
from contextlib import aclosing, contextmanager
from pathlib import Path
from random import Random
from typing import Final, TypeVar
from urllib.parse import urlsplit

import grpc
from aetcd import rpc
from grpc import aio

from bgpd.config import ResolvedEtcd
from bgpd.datastore.etcd_errors import explained
from bgpd.datastore.store import Batch, Compacted, Conflict, Entry, Snapshot, StoreError

TIMEOUT: Final = 5.0  # for an answer
LONGEST_TIMEOUT: Final = 30.0  # where all members are slower than that: it doubles each time that none answers
FORGET_LATENESS: Final = 300.0  # since an answer last took longer than usual, until no more is waited than usual
QUIET: Final = 10.0  # until a watch that says nothing is asked whether it lives
PAGE: Final = 1000  # keys read at a time: one callback parses so many
CLOSE_GRACE: Final = 0.2
_OPTIONS: Final = (
    ("grpc.max_receive_message_length", -1),  # what changed while we were away may come as one message
    ("grpc.keepalive_time_ms", 10_000),  # a member that vanished is noticed although nothing is sent
    ("grpc.keepalive_timeout_ms", 5_000),
    ("grpc.http2.max_pings_without_data", 0),
    ("grpc.use_local_subchannel_pool", 1),  # else a new channel waits for an old one's pauses
    ("grpc.enable_retries", 0),
    ("grpc.enable_http_proxy", 0),  # a cluster's own store is not behind a proxy for the web
)
_NEEDS_LEADER: Final = ("hasleader", "true")  # a member cut off from the others must not keep us waiting in silence
_ELSEWHERE: Final = ("UNAVAILABLE", "DEADLINE_EXCEEDED", "UNKNOWN", "INTERNAL")
_BAD_TOKEN: Final = (
    "invalid auth token",
    "revision of auth store is old",
    "revision in the token is old",
    "user name is empty",  # it knew no users when it was asked for a token
)

Answer = TypeVar("Answer")


class Etcd:
    """A client of one etcd cluster. All methods raise StoreError."""

    def __init__(self, settings: ResolvedEtcd, random: Random) -> None:
        self._settings = settings
        self._endpoints = random.sample(settings.endpoints, len(settings.endpoints))
        self._member: _Member | None = None
        self._left: list[_Member] = []
        self._timeout = TIMEOUT
        self._late_at = 0.0  # loop time

    @property
    def endpoint(self) -> str:
        """The member that is asked."""
        return self._endpoints[0]

    async def get(self, key: str) -> Entry | None:
        """Return a key's value, None = there is no such key."""
        request = rpc.RangeRequest(key=key.encode())
        answer = await self._ask(lambda member: member.call(member.kv.Range, request), f"read {key}")
        return Entry(answer.kvs[0].value, answer.kvs[0].mod_revision) if answer.kvs else None

    async def snapshot(self, prefixes: Iterable[str]) -> Snapshot:
        """Return all keys under the prefixes, all at one revision."""
        values: dict[str, bytes] = {}
        revision = 0
        for prefix in prefixes:
            async for page in self._pages(prefix, revision):
                revision = revision or page.header.revision
                values.update((_text(one.key), one.value) for one in page.kvs)
        return Snapshot(revision, values)

    async def entries(self, prefix: str, page_size: int = PAGE) -> dict[str, Entry]:
        """Return all keys under a prefix, each with the revision of its last change."""
        found: dict[str, Entry] = {}
        async for page in self._pages(prefix, 0, page_size):
            found.update((_text(one.key), Entry(one.value, one.mod_revision)) for one in page.kvs)
        return found

    async def watch(self, prefixes: Iterable[str], revision: int) -> AsyncGenerator[Batch, None]:
        """Yield what changes under the prefixes from a revision on; an empty batch first, when etcd watches.

        One stream carries a watch for each prefix. Raises Compacted if etcd has forgotten the revision.
        """
        member = await self._turned_to()
        with member.in_use():
            stream = member.watches.Watch(metadata=(*member.metadata(), _NEEDS_LEADER))
            try:
                async with aclosing(_batches(stream, tuple(prefixes), revision, member.timeout)) as batches:
                    async for batch in batches:
                        yield batch
            except aio.AioRpcError as error:
                self._leave(member)
                raise self._explained(member, "watch", error) from error
            except TimeoutError as error:
                self._leave(member)
                raise StoreError(f"{member.endpoint}: the watch says nothing any more") from error
            except aio.UsageError as error:
                self._leave(member)
                raise StoreError(f"{member.endpoint} ended the watch") from error
            except _Cancelled as error:
                if any(words in str(error) for words in _BAD_TOKEN):
                    member.token = None
                else:
                    self._leave(member)
                raise explained(member.endpoint, "watch", "CANCELLED", str(error), self._settings) from error
            finally:
                stream.cancel()

    async def put(self, key: str, value: bytes, lease: int = 0) -> int:
        """Write a key, whatever there was; return its revision."""
        request = rpc.PutRequest(key=key.encode(), value=value, lease=lease)
        answer = await self._ask(lambda member: member.call(member.kv.Put, request), f"write {key}")
        return int(answer.header.revision)

    async def put_if(self, key: str, value: bytes, revision: int, lease: int = 0) -> int:
        """Write a key if its last change is of that revision, 0 = if there is none; return the new revision.

        Raises Conflict.
        """
        put = rpc.PutRequest(key=key.encode(), value=value, lease=lease)
        return await self._if_unchanged(key, revision, rpc.RequestOp(request_put=put), f"write {key}")

    async def delete_if(self, key: str, revision: int) -> int:
        """Delete a key if its last change is of that revision; return the new revision. Raises Conflict."""
        gone = rpc.DeleteRangeRequest(key=key.encode())
        return await self._if_unchanged(key, revision, rpc.RequestOp(request_delete_range=gone), f"delete {key}")

    async def grant(self, seconds: int) -> int:
        """Return a new lease that ends so many seconds after it was last kept alive."""
        request = rpc.LeaseGrantRequest(TTL=seconds)
        answer = await self._ask(lambda member: member.call(member.leases.LeaseGrant, request), "take a lease")
        return int(answer.ID)

    async def keep_alive(self, lease: int) -> bool:
        """Extend a lease; False = there is none any more."""
        return await self._ask(lambda member: _extend(member, lease), "extend a lease")

    async def revoke(self, lease: int) -> None:
        """End a lease, and its keys with it."""
        request = rpc.LeaseRevokeRequest(ID=lease)
        await self._ask(lambda member: member.call(member.leases.LeaseRevoke, request), "end a lease")

    async def close(self) -> None:
        """Close all connections."""
        if self._member is not None:
            self._leave(self._member)
        for member in self._left:
            await member.closed()
        self._left.clear()

    async def _pages(self, prefix: str, revision: int, size: int = 0) -> AsyncGenerator[rpc.RangeResponse, None]:
        """Yield what is under a prefix, in pages that are all of one revision; 0 = the present one."""
        key, end = prefix.encode(), _end(prefix.encode())
        while True:
            request = rpc.RangeRequest(key=key, range_end=end, limit=size or PAGE, revision=revision)
            page = await self._ask(lambda member: member.call(member.kv.Range, request), f"read {prefix}")  # noqa: B023  # called before the next turn
            yield page
            if not page.more:
                return
            revision = revision or page.header.revision
            key = page.kvs[-1].key + b"\0"

    async def _if_unchanged(self, key: str, revision: int, operation: rpc.RequestOp, what: str) -> int:
        unchanged = rpc.Compare(
            result=rpc.Compare.EQUAL, target=rpc.Compare.MOD, key=key.encode(), mod_revision=revision
        )
        request = rpc.TxnRequest(compare=[unchanged], success=[operation])
        answer = await self._ask(lambda member: member.call(member.kv.Txn, request), what)
        if not answer.succeeded:
            raise Conflict(f"{key}: changed by somebody else", "look at it again")
        return int(answer.header.revision)

    async def _ask(self, act: Callable[["_Member"], Awaitable[Answer]], what: str) -> Answer:
        """Return the answer of the first member that gives one; each is asked once, and once more with a new token."""
        failed: list[StoreError] = []
        is_renewed = is_late = False
        now = asyncio.get_running_loop().time
        while True:
            try:
                member = await self._turned_to()
                began = now()
                with member.in_use():
                    answer = await act(member)
                if now() - began > TIMEOUT:
                    self._late_at = now()
                return answer
            except aio.AioRpcError as error:
                if any(words in (error.details() or "") for words in _BAD_TOKEN) and not is_renewed:
                    is_renewed = True
                    member.token = None
                    continue
                explained_error = self._explained(member, what, error)
                if error.code().name not in _ELSEWHERE:
                    raise explained_error from error
                failed.append(explained_error)
                is_late = is_late or error.code() is grpc.StatusCode.DEADLINE_EXCEEDED
                self._leave(member)
            except _Unusable as error:
                failed.append(error)
                if self._member is not None:
                    self._leave(self._member)
                else:
                    self._next()
            if len(failed) >= len(self._endpoints):
                if is_late:  # a store under load answers late, and never to one who does not wait for it
                    self._timeout, self._late_at = min(self._timeout * 2, LONGEST_TIMEOUT), now()
                raise failed[0] if len(failed) == 1 else _all_of(failed)

    async def _turned_to(self) -> "_Member":
        """Return the member that is asked, with a token if we are somebody."""
        member = self._member
        if member is None:
            member = self._member = _Member(self.endpoint, self._channel(self.endpoint))
        if asyncio.get_running_loop().time() - self._late_at > FORGET_LATENESS:
            self._timeout = TIMEOUT
        member.timeout = self._timeout
        if self._settings.username and member.token is None:
            async with member.authenticating:
                if member.token is None:
                    await self._authenticate(member)
        return member

    async def _authenticate(self, member: "_Member") -> None:
        """Have a token. Raises StoreError, AioRpcError where another member may do."""
        settings = self._settings
        request = rpc.AuthenticateRequest(
            name=settings.username, password=_octets(settings.password_file).rstrip(b"\r\n").decode(errors="replace")
        )
        try:
            with member.in_use():
                member.token = (await member.auth.Authenticate(request, timeout=member.timeout)).token
        except aio.AioRpcError as error:
            if "authentication is not enabled" in (error.details() or ""):
                member.token = ""  # everybody may do everything there
                return
            failure = self._explained(member, "log in", error)
            if error.code().name not in _ELSEWHERE:
                raise failure from error
            raise _Unusable(str(failure), failure.hint) from error

    def _channel(self, endpoint: str) -> aio.Channel:
        where = urlsplit(endpoint)
        if where.scheme != "https":
            return aio.insecure_channel(where.netloc, options=_OPTIONS)
        settings = self._settings
        authority = settings.ca_file or ssl.get_default_verify_paths().cafile or ""
        credentials = grpc.ssl_channel_credentials(
            root_certificates=_octets(authority),
            private_key=_octets(settings.key_file) if settings.key_file else None,
            certificate_chain=_octets(settings.cert_file) if settings.cert_file else None,
        )
        return aio.secure_channel(where.netloc, credentials, options=_OPTIONS)

    def _explained(self, member: "_Member", what: str, error: aio.AioRpcError) -> StoreError:
        return explained(member.endpoint, what, error.code().name, error.details() or "", self._settings)

    def _leave(self, member: "_Member") -> None:
        """Turn away from a member, to the next when something is asked again."""
        if self._member is member:
            self._member = None
            self._next()
            self._left = [one for one in self._left if not one.is_closed] + [member]
            member.leave()

    def _next(self) -> None:
        self._endpoints.append(self._endpoints.pop(0))


class _Unusable(StoreError):
    """A member that cannot even be asked."""


class _Cancelled(Exception):
    """etcd's reason to end a watch."""


class _Member:
    """A connection to one member.

    token: of our user, empty = it wants none, None = to be fetched. timeout: for an answer.
    """

    def __init__(self, endpoint: str, channel: aio.Channel) -> None:
        self.endpoint = endpoint
        self.kv = rpc.KVStub(channel)
        self.leases = rpc.LeaseStub(channel)
        self.watches = rpc.WatchStub(channel)
        self.auth = rpc.AuthStub(channel)
        self.token: str | None = None
        self.timeout = TIMEOUT
        self.authenticating = asyncio.Lock()
        self._channel = channel
        self._users = 0  # requests that it carries
        self._is_left = False
        self._closing: asyncio.Task[None] | None = None

    @property
    def is_closed(self) -> bool:
        """Is nothing left of it?"""
        return self._closing is not None and self._closing.done()

    def metadata(self) -> tuple[tuple[str, str], ...]:
        """Return what goes with each request."""
        return (("token", self.token),) if self.token else ()

    def call(self, method: Callable[..., Awaitable[Answer]], request: object) -> Awaitable[Answer]:
        """Return the answer to a request. Raises AioRpcError."""
        return method(request, timeout=self.timeout, metadata=self.metadata())

    @contextmanager
    def in_use(self) -> Iterator[None]:
        """Hold the connection: closing it under a request would cancel the task that waits for the answer."""
        self._users += 1
        try:
            yield
        finally:
            self._users -= 1
            self._close_if_free()

    def leave(self) -> None:
        """Close it when nobody uses it any more."""
        self._is_left = True
        self._close_if_free()

    async def closed(self) -> None:
        """Wait until a connection that was left is closed."""
        if self._closing is not None:
            await self._closing

    def _close_if_free(self) -> None:
        if self._is_left and not self._users and self._closing is None:
            self._closing = asyncio.get_running_loop().create_task(self._channel.close(CLOSE_GRACE))


async def _batches(
    stream: aio.StreamStreamCall, prefixes: tuple[str, ...], revision: int, patience: float
) -> AsyncGenerator[Batch, None]:
    """Yield the changes of a watch stream. Raises Compacted, _Cancelled, TimeoutError, AioRpcError.

    A watch may be silent because nothing happens, or because its member is stuck: one that is silent is asked how far
    it is. gRPC's keepalive does not tell: it was seen to take a stopped process for a living one.
    """
    for prefix in prefixes:
        wanted = rpc.WatchCreateRequest(
            key=prefix.encode(), range_end=_end(prefix.encode()), start_revision=revision, progress_notify=True
        )
        await stream.write(rpc.WatchRequest(create_request=wanted))
    pending, is_asked = len(prefixes), False
    reading = asyncio.ensure_future(stream.read())  # cancelling it would end the stream
    try:
        while True:
            done, _ = await asyncio.wait((reading,), timeout=patience if pending or is_asked else QUIET)
            if not done:
                if pending or is_asked:
                    raise TimeoutError
                await stream.write(rpc.WatchRequest(progress_request=rpc.WatchProgressRequest()))
                is_asked = True
                continue
            answer = reading.result()
            if answer is aio.EOF:
                raise _Cancelled("the stream has ended")
            if answer.compact_revision:
                raise Compacted(f"revision {revision} is compacted, {answer.compact_revision} is the oldest")
            if answer.canceled:
                raise _Cancelled(answer.cancel_reason or "without a reason")
            is_asked = False
            reading = asyncio.ensure_future(stream.read())
            if answer.created:
                pending -= 1
            if answer.events or not pending:
                yield Batch(answer.header.revision, tuple(map(_change, answer.events)))
    finally:
        reading.cancel()
        await asyncio.wait((reading,))
        if not reading.cancelled():
            reading.exception()  # it is known by now, or does not matter any more


async def _extend(member: _Member, lease: int) -> bool:
    stream = member.leases.LeaseKeepAlive(timeout=member.timeout, metadata=member.metadata())
    try:
        await stream.write(rpc.LeaseKeepAliveRequest(ID=lease))
        answer = await stream.read()
    finally:
        stream.cancel()
    return answer is not aio.EOF and answer.TTL > 0


def _change(event: rpc.Event) -> tuple[str, bytes | None]:
    return _text(event.kv.key), None if event.type == rpc.Event.DELETE else event.kv.value


def _text(key: bytes) -> str:
    return key.decode(errors="replace")  # what is no text is no key of ours either, and must not stop the rest


def _end(prefix: bytes) -> bytes:
    """Return the first key behind all that start so."""
    kept = prefix.rstrip(b"\xff")
    return kept[:-1] + bytes((kept[-1] + 1,)) if kept else b"\0"


def _octets(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise _Unusable(f"{path} cannot be read: {error.strerror}", "see the files named in [etcd]") from error


def _all_of(failed: list[StoreError]) -> StoreError:
    return StoreError("; ".join(map(str, failed)), next((one.hint for one in failed if one.hint), ""))
