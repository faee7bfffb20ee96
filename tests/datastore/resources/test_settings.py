"""The words of ``config set`` and the fields that they are about."""

import pytest

from bgpd.datastore.resources.settings import current, object_name, parse, setting_named
from bgpd.datastore.resources.shapes import Json


@pytest.mark.parametrize(
    ("name", "word", "field", "value"),
    [
        ("asNumber", "64513", "asNumber", 64513),
        ("asnumber", "1.10", "asNumber", 65546),
        ("nodeToNodeMesh", "off", "nodeToNodeMeshEnabled", False),
        ("nodeToNodeMesh", "on", "nodeToNodeMeshEnabled", True),
        ("logLevel", "debug", "logSeverityScreen", "Debug"),
        ("loglevel", "none", "logSeverityScreen", "Fatal"),
    ],
)
def test_a_word_is_a_value_of_a_field(name: str, word: str, field: str, value: Json) -> None:
    setting = setting_named(name)
    assert (setting.field, parse(setting, word)) == (field, value)


@pytest.mark.parametrize(
    ("name", "word"), [("asNumber", "0"), ("asNumber", "x"), ("nodeToNodeMesh", "yes"), ("logLevel", "loud")]
)
def test_another_word_is_refused_with_what_was_expected(name: str, word: str) -> None:
    with pytest.raises(ValueError, match="expected"):
        parse(setting_named(name), word)


def test_another_setting_is_refused() -> None:
    with pytest.raises(ValueError, match="asNumber, nodeToNodeMesh, logLevel"):
        setting_named("ipip")


def test_only_the_log_level_is_a_nodes_own() -> None:
    assert object_name(setting_named("logLevel"), "n1") == "node.n1"
    assert object_name(setting_named("asNumber"), "") == "default"
    with pytest.raises(ValueError, match="same for all nodes"):
        object_name(setting_named("asNumber"), "n1")


def test_what_counts_is_the_nodes_then_the_clusters_then_the_default() -> None:
    level = setting_named("logLevel")
    assert current(level, {"logSeverityScreen": "Debug"}, {"logSeverityScreen": "Error"}) == "debug"
    assert current(level, {}, {"logSeverityScreen": "Error"}) == "error"
    assert current(level, {}) == "info"
    assert current(setting_named("asNumber"), {}) == "64512"
    assert current(setting_named("nodeToNodeMesh"), {"nodeToNodeMeshEnabled": False}) == "off"
