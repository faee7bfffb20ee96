"""Tells systemd how the daemon is: the notification protocol of sd_notify(3), a datagram of ``KEY=value`` lines.

Outside systemd there is no NOTIFY_SOCKET in the environment and nothing is sent. Times are seconds.
"""

import contextlib
import os
import socket
import time
from collections.abc import Mapping


class Notifier:
    """Sends notifications to the service manager; does nothing where there is none."""

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        address = environment.get("NOTIFY_SOCKET", "")
        self._address = "\0" + address[1:] if address.startswith("@") else address
        for_us = environment.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        micros = environment.get("WATCHDOG_USEC", "")
        self.watchdog = int(micros) / 1e6 if for_us and micros.isdigit() else 0.0  # seconds, 0 = not asked for

    def ready(self, status: str) -> None:
        """The daemon is up."""
        self._send(f"READY=1\nSTATUS={status}\n")

    def reloading(self) -> None:
        """A reload begins; ``ready`` ends it (Type=notify-reload wants the monotonic time as well)."""
        self._send(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}\n")

    def stopping(self) -> None:
        """The daemon is going down."""
        self._send("STOPPING=1\n")

    def alive(self) -> None:
        """The event loop turns; to be sent twice in each watchdog interval."""
        self._send("WATCHDOG=1\n")

    def _send(self, text: str) -> None:
        if not self._address:
            return
        sender = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK)
        with sender, contextlib.suppress(OSError):  # a service manager that does not listen is no reason to stop
            sender.sendto(text.encode(), self._address)
