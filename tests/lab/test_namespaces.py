"""Namespaces that live by a descriptor."""

import os
import socket

import pytest

from bgpd.lab import LabError
from bgpd.lab.namespaces import Namespace, have_privileges

pytestmark = [
    pytest.mark.netns,
    pytest.mark.skipif(not have_privileges(), reason="network namespaces need root"),
]


def _own() -> str:
    return os.readlink("/proc/thread-self/ns/net")


def test_entering_is_undone_even_after_a_fault() -> None:
    home = _own()
    space = Namespace("a")
    with pytest.raises(LabError, match="no_such_thing"):
        space.set_sysctls({"ipv4/no_such_thing": 1})
    assert _own() == home
    space.close()


def test_a_socket_opened_inside_stays_inside() -> None:
    space = Namespace("a")
    with space.entered():
        inside = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with inside, pytest.raises(OSError, match="unreachable"):
        inside.connect(("127.0.0.1", 9))  # its loopback is down
    space.close()


def test_a_command_that_fails_is_reported_with_its_words() -> None:
    space = Namespace("lonely")
    with pytest.raises(LabError, match=r"lonely: .*ip link show dev eth7 exits 1: .*eth7"):
        space.ip("link", "show", "dev", "eth7")
    space.close()


def test_a_setting_that_does_not_exist_is_reported() -> None:
    space = Namespace("a")
    with pytest.raises(LabError, match="a: cannot set net/ipv4/no_such_thing to 1: "):
        space.set_sysctls({"ipv4/no_such_thing": 1})
    space.close()


def test_nothing_is_mounted_for_a_namespace() -> None:
    space = Namespace("a")
    with open("/proc/self/mountinfo") as mounts:
        assert "net:[" + str(os.stat(space.path).st_ino) not in mounts.read()
    space.close()
