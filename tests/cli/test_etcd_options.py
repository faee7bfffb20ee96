"""Where bgpctl looks for etcd."""

from pathlib import Path

import pytest

from bgpd.cli import etcd_options
from bgpd.cli.client import Refusal
from bgpd.cli.etcd_options import HERE, etcd_settings


@pytest.fixture(autouse=True)
def no_daemon_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(etcd_options, "DEFAULT_CONFIG", tmp_path / "none.toml")


def test_without_a_word_it_is_on_this_host() -> None:
    assert etcd_settings("", None, {}).endpoints == (HERE,)


def test_variables_of_calico_are_known(tmp_path: Path) -> None:
    found = etcd_settings(
        "",
        None,
        {
            "ETCD_ENDPOINTS": "https://a:2379, https://b:2379",
            "ETCD_CA_CERT_FILE": "/ca",
            "ETCD_CERT_FILE": "/cert",
            "ETCD_KEY_FILE": "/key",
            "ETCD_USERNAME": "u",
            "ETCD_PASSWORD": "p",
        },
    )
    assert found.endpoints == ("https://a:2379", "https://b:2379")
    assert (found.ca_file, found.cert_file, found.key_file, found.username) == ("/ca", "/cert", "/key", "u")
    assert Path(found.password_file).read_text() == "p"
    assert etcd_settings("", None, {"ETCD_AUTHORITY": "a:2379", "ETCD_SCHEME": "https"}).endpoints == (
        "https://a:2379",
    )


def test_an_option_wins_over_the_file_and_that_over_variables(tmp_path: Path) -> None:
    file = tmp_path / "bgp.toml"
    file.write_text('[etcd]\nendpoints = ["http://file:1"]\nprefix = "/x"\n')
    environment = {"ETCD_ENDPOINTS": "http://variable:1"}
    assert etcd_settings("", file, environment).endpoints == ("http://file:1",)
    found = etcd_settings("http://option:1", file, environment)
    assert (found.endpoints, found.prefix) == (("http://option:1",), "/x")
    assert etcd_settings("http://option:1", None, environment).endpoints == ("http://option:1",)


def test_the_daemons_own_file_is_looked_at_last(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "own.toml"
    file.write_text('[etcd]\nendpoints = ["http://own:1"]\n')
    monkeypatch.setattr(etcd_options, "DEFAULT_CONFIG", file)
    assert etcd_settings("", None, {}).endpoints == ("http://own:1",)
    assert etcd_settings("", None, {"ETCD_ENDPOINTS": "http://variable:1"}).endpoints == ("http://variable:1",)


@pytest.mark.parametrize(
    ("endpoints", "environment", "why"),
    [
        ("10.0.0.1:2379", {}, "a URL with its port"),
        ("http://10.0.0.1", {}, "a URL with its port"),
        ("http://10.0.0.1:x", {}, "a URL with its port"),
        (",", {}, "found none"),
        ("", {"ETCD_CERT_FILE": "/x"}, "both or neither"),
        ("", {"ETCD_USERNAME": "x"}, "ETCD_PASSWORD: is missing"),
    ],
)
def test_what_cannot_be_used_is_refused(endpoints: str, environment: dict[str, str], why: str) -> None:
    with pytest.raises(Refusal, match=why):
        etcd_settings(endpoints, None, environment)


def test_a_file_without_etcd_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "bgp.toml"
    file.write_text('[node]\nasn = 64512\naddresses = ["10.0.0.1/24"]\n')
    with pytest.raises(Refusal, match="no \\[etcd\\] table"):
        etcd_settings("", file, {})
