"""An etcd that takes its time: each answer of a real member comes so much later, on a connection that lives."""

import asyncio
from collections.abc import AsyncIterator
from typing import Final

import grpc
from grpc import aio

_STREAMS: Final = ("Watch", "LeaseKeepAlive")


class SlowEtcd(grpc.GenericRpcHandler):
    """Stands before a member at ``url``. delay: seconds, from what the member says until it is passed on."""

    def __init__(self, member: str, delay: float) -> None:
        self.delay = delay
        self.url = ""
        self._channel = aio.insecure_channel(member.removeprefix("http://"))
        self._server = aio.server()
        self._server.add_generic_rpc_handlers((self,))

    async def start(self) -> None:
        """Listen."""
        self.url = f"http://127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}"
        await self._server.start()

    async def close(self) -> None:
        """Be gone."""
        await self._server.stop(None)
        await self._channel.close()

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler:
        """Return what answers to a method."""
        method = handler_call_details.method
        if method.endswith(_STREAMS):
            return grpc.stream_stream_rpc_method_handler(self._stream(method))
        ask = self._channel.unary_unary(method)

        async def answer(request: bytes, context: aio.ServicerContext) -> bytes:
            said: bytes = await ask(request)
            await asyncio.sleep(self.delay)
            return said

        return grpc.unary_unary_rpc_method_handler(answer)

    def _stream(self, method: str) -> object:
        open_stream = self._channel.stream_stream(method)

        async def answers(requests: AsyncIterator[bytes], context: aio.ServicerContext) -> AsyncIterator[bytes]:
            async for said in open_stream(requests):
                await asyncio.sleep(self.delay)
                yield said

        return answers
