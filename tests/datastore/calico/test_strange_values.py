"""Whatever stands in a value: it is used or refused with its key, and the rest of the cluster goes on."""

import json
from copy import deepcopy
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from bgpd.config import ConfigError
from bgpd.datastore.calico import Cluster, ClusterConfig
from tests.support.calico import Files, local
from tests.support.calico_examples import FLAT, GOLDEN

_LEAVES = st.one_of(
    st.none(), st.booleans(), st.integers(-5, 1 << 40), st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=12),
    st.sampled_from(["0.0.0.0/0", "::/0", "10.0.0.1", "fd00::1/64", "1.10", "65536", "all()", "!", "5m", "w1"]),
)  # fmt: skip
_JSON = st.recursive(_LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner))


def _places(value: object, path: tuple[object, ...] = ()) -> list[tuple[object, ...]]:
    found = [path]
    if isinstance(value, dict):
        for name, inner in value.items():
            found += _places(inner, (*path, name))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            found += _places(inner, (*path, index))
    return found


def _changed(document: object, path: tuple[object, ...], value: object) -> object:
    if not path:
        return value
    made = deepcopy(document)
    inner = made
    for step in path[:-1]:
        inner = inner[step]  # type: ignore[index]  # JSON
    inner[path[-1]] = value  # type: ignore[index]
    return made


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 1 << 30), _JSON)
def test_a_document_with_a_strange_part_is_used_or_refused(number: int, value: object) -> None:
    random = Random(number)
    name = random.choice(sorted(GOLDEN))
    document = _changed(GOLDEN[name], random.choice(_places(GOLDEN[name])), value)
    cluster = Cluster("worker-3")
    cluster.replace({key: json.dumps(one).encode() for key, one in GOLDEN.items()})
    problem = cluster.put(name, json.dumps(document).encode())
    assert problem is None or problem.key == name
    assert _resolved(cluster)


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(sorted(FLAT)), st.binary(max_size=40) | _JSON.map(lambda value: json.dumps(value).encode()))
def test_a_flat_key_with_a_strange_value_is_used_or_refused(name: str, value: bytes) -> None:
    cluster = Cluster("w1")
    cluster.replace(FLAT)
    problem = cluster.put(name, value)
    assert problem is None or problem.key == name
    assert _resolved(cluster)


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=60), st.binary(max_size=20))
def test_any_key_is_taken_or_passed_over(rest: str, value: bytes) -> None:
    cluster = Cluster("w1")
    for name in (rest, f"/calico/{rest}", f"/calico/bgp/v1/{rest}", f"/calico/ipam/v2/host/{rest}"):
        cluster.put(name, value)
        cluster.delete(name)
    assert _resolved(cluster)


def _resolved(cluster: Cluster) -> ClusterConfig | ConfigError:
    """Return the configuration, or why this node cannot have one with what etcd says of it."""
    try:
        return cluster.resolve(local(name="worker-3"), Files())
    except ConfigError as error:
        return error
