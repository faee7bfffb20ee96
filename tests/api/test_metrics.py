"""The metrics' text, read back with Prometheus' own parser."""

import re
from pathlib import Path

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from bgpd.api.metrics import expose
from tests.support.operations import Answers

OPENMETRICS = "application/openmetrics-text; version=1.0.0"


@pytest.mark.parametrize("accept", ["text/plain", OPENMETRICS])
def test_every_part_has_its_samples(accept: str) -> None:
    text, content_type = expose(Answers().statistics(), accept)
    parse = parse_openmetrics if content_type.startswith("application/openmetrics-text") else parse_text
    samples = {
        (s.name, tuple(sorted(s.labels.items()))): s.value for family in parse(text.decode()) for s in family.samples
    }
    peer = ("peer", "tor-r2")
    assert samples["bgpd_peer_state", (peer,)] == 6
    assert samples["bgpd_peers", (("state", "Established"),)] == 1
    assert samples["bgpd_peer_flaps_total", (peer,)] == 2
    assert samples["bgpd_peer_last_error_info", (peer, ("reason", "Hold Timer Expired"))] == 1
    assert samples["bgpd_peer_messages_total", (("direction", "sent"), peer, ("type", "UPDATE"))] == 4
    assert samples["bgpd_peer_routes", (("family", "ipv4-unicast"), ("kind", "advertised"), peer)] == 5
    assert samples["bgpd_peer_owed_prefixes", (peer,)] == 20
    assert samples["bgpd_rib_paths", (("family", "ipv4-unicast"),)] == 2
    assert samples["bgpd_tasks", ()] == 5
    assert samples["bgpd_fib_routes", (("state", "failed"),)] == 1
    assert samples["bgpd_fib_errors_total", ()] == 3
    assert samples["bgpd_unknown_peers_refused_total", ()] == 4
    assert samples["bgpd_event_loop_lag_seconds_bucket", (("le", "0.1"),)] == 1
    assert samples["bgpd_event_loop_lag_seconds_sum", ()] == 0.05
    assert samples["bgpd_event_loop_lag_worst_seconds", ()] == 0.75
    assert samples["bgpd_datastore_connected", ()] == 1
    assert samples["bgpd_datastore_revision", ()] == 42
    assert samples["bgpd_datastore_problem", (("key", "/calico/x"),)] == 1
    assert samples["process_resident_memory_bytes", ()] > 0


def test_the_manual_names_every_metric_and_no_other() -> None:
    text, _ = expose(Answers().statistics(), "text/plain")
    exposed = set(re.findall(r"^# TYPE (bgpd_\w+)", text.decode(), re.MULTILINE))
    manual = (Path(__file__).parents[2] / "docs" / "operating.md").read_text()
    table = manual[manual.index("## Metrics") :]
    named = set(re.findall(r"`(bgpd_\w+)`", table))
    assert named == exposed
