"""The finite state machine of one connection with one peer: an event in, actions out.

RFC 4271 8, RFC 6608, RFC 9687. The machine has no clock and no socket: the edge runs its timers, and hands in the
random factor of each (RFC 4271 10). Times are seconds.
"""

from collections.abc import Callable

from bgpd.fsm.actions import Action
from bgpd.fsm.events import Event
from bgpd.fsm.states import State
from bgpd.fsm.transitions import OTHERWISE, TRANSITIONS, MachineSettings
from bgpd.identity import Asn
from bgpd.messages.capabilities import GracefulRestartCapability
from bgpd.messages.negotiated import Negotiated
from bgpd.messages.open import Open


class Machine:
    """One run of RFC 4271's state machine; ``transitions.Context`` says what its fields mean.

    make_open: called for each connection, so that its capabilities may change. jitter: a factor from 0.75 to 1.0.
    """

    __slots__ = (
        "_jitter",
        "_make_open",
        "dials",
        "failures",
        "is_delaying",
        "is_started",
        "local_open",
        "negotiated",
        "settings",
        "state",
    )

    def __init__(
        self,
        settings: MachineSettings,
        make_open: Callable[[], Open],
        jitter: Callable[[], float],
        *,
        is_started: bool = False,
        failures: int = 0,
    ) -> None:
        self.settings = settings
        self.state = State.IDLE
        self.is_started = is_started
        self.failures = failures
        self.dials = 0
        self.is_delaying = False
        self.local_open: Open | None = None
        self.negotiated: Negotiated | None = None
        self._make_open = make_open
        self._jitter = jitter

    def step(self, event: Event) -> list[Action]:
        """Apply one event; return what the edge must do, in order."""
        transition = TRANSITIONS.get((self.state, type(event))) or OTHERWISE[self.state]
        self.state, actions = transition.function(self, event)
        assert self.state in transition.targets
        return actions

    def make_open(self) -> Open:
        """Return the OPEN for the connection at hand."""
        return self._make_open()

    def jitter(self) -> float:
        """Return the factor for one start of a timer."""
        return self._jitter()

    @property
    def local_asn(self) -> Asn:
        """Our AS on the connection at hand, as our OPEN has it or will have it."""
        return self.local_open.asn if self.local_open is not None else self.settings.local_asn

    @property
    def has_graceful_restart(self) -> bool:
        """Did both sides announce graceful restart (RFC 4724 section 3)?"""
        peer = self.negotiated.peer_graceful_restart if self.negotiated is not None else None
        return peer is not None and self._own_restart is not None

    @property
    def has_notification_restart(self) -> bool:
        """Did both sides announce that a NOTIFICATION leaves the routes (RFC 8538 section 2)?"""
        peer = self.negotiated.peer_graceful_restart if self.negotiated is not None else None
        own = self._own_restart
        return peer is not None and own is not None and peer.has_notification and own.has_notification

    @property
    def _own_restart(self) -> GracefulRestartCapability | None:
        offers = self.local_open.capabilities if self.local_open is not None else ()
        return next((offer for offer in offers if isinstance(offer, GracefulRestartCapability)), None)
