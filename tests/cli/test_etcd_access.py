"""bgpctl and an etcd with TLS and users, told of them by the variables that Calico's tools know."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from bgpd.config import load, resolve_process
from tests.support.etcd import EtcdCluster, Tls
from tests.support.etcd_site import Site
from tests.support.resources import NODE

pytestmark = pytest.mark.etcd


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EtcdCluster]:
    directory = tmp_path_factory.mktemp("etcd")
    made = EtcdCluster(directory, 1, Tls(directory / "tls"))
    asyncio.run(made.answering())
    made.etcdctl("user", "add", "root:correct horse")
    made.etcdctl("user", "grant-role", "root", "root")
    made.etcdctl("auth", "enable")
    yield made
    made.close()


@pytest.fixture
def site(
    guarded: EtcdCluster, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Site:
    tls = guarded.tls
    assert tls is not None
    for name, value in {
        "ETCD_ENDPOINTS": guarded.members[0].url,
        "ETCD_CA_CERT_FILE": str(tls.ca),
        "ETCD_CERT_FILE": str(tls.certificate),
        "ETCD_KEY_FILE": str(tls.key),
        "ETCD_USERNAME": "root",
        "ETCD_PASSWORD": "correct horse",
    }.items():
        monkeypatch.setenv(name, value)
    return Site(guarded, tmp_path, capsys)


def test_certificates_user_and_password_of_the_variables_are_used(site: Site) -> None:
    site.done("apply", "-f", site.file(NODE))
    assert site.done("get", "nodes").split() == ["NAME", "worker-3"]


def test_a_wrong_password_is_told(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ETCD_PASSWORD", "wrong")
    status, _, err = site.ctl("get", "nodes")
    assert (status, "it refuses user root" in err) == (2, True)
    assert "wrong" not in err


def test_without_a_certificate_of_ours_it_is_told(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ETCD_CERT_FILE")
    monkeypatch.delenv("ETCD_KEY_FILE")
    assert site.ctl("get", "nodes")[0] == 2


def test_a_nodes_daemon_is_told_all_of_them(site: Site) -> None:
    socket = site.directory / "bgpd.sock"
    text = site.done("node", "run", "--name", "n1", "--dry-run", "--socket", str(socket))
    assert "correct horse" not in text
    file = site.directory / "made.toml"
    file.write_text(text)
    etcd = resolve_process(load(file)).etcd
    assert etcd is not None
    assert (etcd.username, etcd.password_file) == ("root", str(site.directory / "n1.etcd-password"))
    assert all((etcd.ca_file, etcd.cert_file, etcd.key_file))
