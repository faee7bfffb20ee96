"""bgpctl in this process with a real etcd behind it."""

import asyncio
import json
from pathlib import Path

import pytest
import yaml

from bgpd.cli.ctl import main
from bgpd.datastore.store import Entry
from tests.support.etcd import EtcdCluster

RESOURCES = "/calico/resources/v3/projectcalico.org"


class Site:
    """bgpctl, and what it left in etcd."""

    def __init__(self, cluster: EtcdCluster, directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.directory = directory
        self._cluster = cluster
        self._capsys = capsys

    def ctl(self, *words: str) -> tuple[int, str, str]:
        """Return exit status, output and errors."""
        with pytest.raises(SystemExit) as ended:
            main(words)
        printed = self._capsys.readouterr()
        assert isinstance(ended.value.code, int)
        return ended.value.code, printed.out, printed.err

    def done(self, *words: str) -> str:
        """Return the output of what succeeds."""
        status, out, err = self.ctl(*words)
        assert status == 0, err
        return out

    def file(self, *documents: object) -> str:
        """Return the path of a file with these documents, or with this text."""
        path = self.directory / "x.yaml"
        path.write_text(documents[0] if isinstance(documents[0], str) else yaml.safe_dump_all(documents))
        return str(path)

    def stored(self, key: str) -> dict[str, object]:
        """Return what etcd has there."""
        found = self._etcd_get(key)
        assert found is not None
        value = json.loads(found.value)
        assert isinstance(value, dict)
        return value

    def listed(self) -> list[str]:
        """Return the keys that there are."""
        return self._cluster.etcdctl("get", "--prefix", "--keys-only", "/").split()

    def put(self, key: str, value: str) -> None:
        """Write as somebody else does."""
        self._cluster.etcdctl("put", key, value)

    def _etcd_get(self, key: str) -> Entry | None:
        async def get() -> Entry | None:
            client = self._cluster.client()
            try:
                return await client.get(key)
            finally:
                await client.close()

        return asyncio.run(get())
