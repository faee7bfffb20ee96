"""The settings of ``config set|get``: words of Calico 2 for fields of a BGPConfiguration."""

from collections.abc import Callable, Mapping
from typing import Final

from bgpd.datastore.resources.bgp_configuration import DEFAULT, DEFAULT_ASN, LOG_LEVELS, NODE_PREFIX
from bgpd.datastore.resources.shapes import Document, Json
from bgpd.datastore.resources.values import ASN, asn
from bgpd.records import dataclass

_SWITCH: Final = {"on": True, "off": False}
_LEVELS: Final = {"none": "Fatal", "critical": "Fatal"} | {name.lower(): name for name in LOG_LEVELS}


@dataclass(frozen=True, slots=True)
class Setting:
    """A setting. field: of the spec. parse: its value from a word, raises ValueError. default: shown when unset."""

    name: str
    field: str
    expected: str
    parse: Callable[[str], Json]
    shown: Callable[[Json], str]
    default: Json
    is_of_a_node: bool = False


def _parsed_asn(word: str) -> Json:
    number = asn(word)
    if not number:
        raise ValueError
    return number


def _switch(word: str) -> Json:
    if word.lower() not in _SWITCH:
        raise ValueError
    return _SWITCH[word.lower()]


def _level(word: str) -> Json:
    if word.lower() not in _LEVELS:
        raise ValueError
    return _LEVELS[word.lower()]


SETTINGS: Final[Mapping[str, Setting]] = {
    setting.name.lower(): setting
    for setting in (
        Setting("asNumber", "asNumber", ASN.expected, _parsed_asn, str, DEFAULT_ASN),
        Setting(
            "nodeToNodeMesh",
            "nodeToNodeMeshEnabled",
            "on or off",
            _switch,
            lambda value: "off" if value is False else "on",
            default=True,
        ),
        Setting(
            "logLevel",
            "logSeverityScreen",
            f"one of {', '.join(_LEVELS)}",
            _level,
            lambda value: str(value).lower(),
            "Info",
            is_of_a_node=True,
        ),
    )
}


def setting_named(name: str) -> Setting:
    """Return a setting, its name in any case. Raises ValueError."""
    found = SETTINGS.get(name.lower())
    if found is None:
        raise ValueError(f"expected one of {', '.join(one.name for one in SETTINGS.values())}, found {name!r}")
    return found


def object_name(setting: Setting, node: str) -> str:
    """Return the BGPConfiguration that a setting is in; node: empty = of all. Raises ValueError."""
    if node and not setting.is_of_a_node:
        raise ValueError(f"{setting.name} is the same for all nodes; expected no --node")
    return f"{NODE_PREFIX}{node}" if node else DEFAULT


def parse(setting: Setting, word: str) -> Json:
    """Return the value of a word. Raises ValueError with what was expected."""
    try:
        return setting.parse(word)
    except ValueError:
        raise ValueError(f"{setting.name}: expected {setting.expected}, found {word!r}") from None


def current(setting: Setting, *specs: Document) -> str:
    """Return the value that counts: of the first spec that has one, else the default."""
    for spec in specs:
        if spec.get(setting.field) is not None:
            return setting.shown(spec[setting.field])
    return setting.shown(setting.default)


def edited(setting: Setting, value: Json, spec: Document) -> Document:
    """Return a spec with a setting, None = without it."""
    rest = {name: one for name, one in spec.items() if name != setting.field}
    return rest if value is None else {**rest, setting.field: value}
