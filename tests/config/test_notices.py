from bgpd.config import parse, resolve
from bgpd.config.notices import notices

NODE = '[node]\nname = "a"\nasn = 64512\naddresses = ["10.0.0.1/24"]\n'
PEER = '[[peer]]\nname = "b"\naddress = "10.0.0.2"\nasn = "internal"\n'


def noticed(text: str) -> tuple[str, ...]:
    return notices(resolve(parse(NODE + text, "bgp.toml")))


def test_what_is_there_needs_no_notice() -> None:
    assert noticed(PEER + 'add_path = "both"\n') == ()


def test_what_is_not_there_is_named_with_its_key() -> None:
    without = "graceful_restart = { enabled = false }\nlong_lived_graceful_restart = { stale_time = 3600 }\n"
    [stale] = noticed(PEER + without)
    assert stale.startswith("peer b: long_lived_graceful_restart:")
