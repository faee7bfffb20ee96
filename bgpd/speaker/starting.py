"""The kernel's routes at the start: peers come up while they are learned, and hear of them one slice after the other.

End-of-RIB (RFC 4724 section 2) follows the last of them, so no peer drops what it kept of the run before too early.
"""

from collections.abc import Callable, Mapping

from bgpd.kernel import Kernel
from bgpd.speaker.peer import Peer


class Starting:
    """The speaker's. is_under_way: peers may come up, and the kernel's routes are not all announced yet. is_telling:
    some of them are.
    """

    def __init__(self, peers: Mapping[str, Peer], flush: Callable[[], None]) -> None:
        self.is_under_way = False
        self.is_telling = False
        self._peers = peers
        self._flush = flush

    def told(self) -> None:
        """Take note that routes were learned."""
        self.is_telling = self.is_under_way

    async def learn(self, kernel: Kernel) -> None:
        """Learn all that the kernel has."""
        await kernel.learn()
        self.end()

    def end(self) -> None:
        """Let every peer know that this was all."""
        self._flush()
        self.is_under_way = self.is_telling = False
        for peer in self._peers.values():
            peer.all_learned()
