"""A walk-through as a page: what is typed where, what it prints, and which differences are none."""

import pytest

from bgpd.lab import LabError
from bgpd.lab.page import Heading, Program, Step, is_alike, parse, rewritten

PAGE = """# Title
Prose, and a block that is none of ours:

```yaml
node1# no command
```
## Part
```console
node1# cat > x <<'END'
> first
>
>   last
> END
node1# cat x
first

node2# true
```
```console eventually
etcd# date
now
```
```sh helper
#!/bin/sh
echo $1
```
"""


def steps(text: str) -> list[Step]:
    """Return the commands of a page."""
    return [item for item in parse(text) if isinstance(item, Step)]


def test_a_page_has_headings_commands_and_programs_in_order() -> None:
    first, second, *commands, program = parse(PAGE)
    assert (first, second) == (Heading("# Title"), Heading("## Part"))
    assert [(one.host, one.command, one.shown, one.is_awaited) for one in commands if isinstance(one, Step)] == [
        ("node1", "cat > x <<'END'\nfirst\n\n  last\nEND", (), False),
        ("node1", "cat x", ("first", ""), False),
        ("node2", "true", (), False),
        ("etcd", "date", ("now",), True),
    ]
    assert program == Program("helper", ("#!/bin/sh", "echo $1"))


def test_a_command_is_found_in_the_page_and_typed_as_it_stands_there() -> None:
    first, second, *_ = steps(PAGE)
    lines = PAGE.splitlines()
    assert (lines[first.line - 1], lines[second.line - 1]) == ("node1# cat > x <<'END'", "node1# cat x")
    assert first.typed == tuple(lines[first.line - 1 : first.end])


@pytest.mark.parametrize(
    ("text", "why"),
    [("```console\noutput\n```\n", "line 2: expected a prompt"), ("# x\n```console\nnode1# true\n", "line 2: a block")],
)
def test_a_faulty_page_is_told_with_its_line(text: str, why: str) -> None:
    with pytest.raises(LabError, match=why):
        parse(text)


@pytest.mark.parametrize(
    ("printed", "shown"),
    [
        ("| 172.30.0.18 | up | 00:23:37 |", "| 172.30.0.18 | up | 23:01:59 |"),
        ("bgpd 0.1.0 is degraded, process 61, log /run/x", "bgpd 0.2.0 is ok, process 7, log /run/x"),
        ("creationTimestamp: '2026-01-05T10:00:00Z'", "creationTimestamp: '2027-11-30T00:01:02Z'"),
        ("uid: 5d0c1f2a-0b1c-4d2e-8f3a-0123456789ab", "uid: 00000000-0b1c-4d2e-8f3a-0123456789ab"),
        ("  resourceVersion: '7'", "  resourceVersion: '1234'"),
        ('  "resourceVersion": "7"', '  "resourceVersion": "12"'),
        ("64 bytes: icmp_seq=1 ttl=62 time=0.068 ms", "64 bytes: icmp_seq=1 ttl=62 time=12 ms"),
        ("1 received, 0% packet loss, time 0ms", "1 received, 0% packet loss, time 12ms"),
        ("rtt min/avg/max/mdev = 0.068/0.068/0.068/0.000 ms", "rtt min/avg/max/mdev = 1/1/1/1 ms"),
        ("committed proposal: took = 788.378944ms", "committed proposal: took = 1.2s"),
        ("10.1.1.0/26 via 172.30.0.17 dev eth0 ", "10.1.1.0/26 via 172.30.0.17 dev eth0"),
    ],
)
def test_times_and_numbers_of_processes_may_differ(printed: str, shown: str) -> None:
    assert is_alike([printed], [shown])


@pytest.mark.parametrize(
    ("printed", "shown"),
    [
        ("10.1.1.0/26 via 172.30.0.17 dev tunl0 onlink", "10.1.1.0/26 via 172.30.0.17 dev eth0"),
        ("10.1.1.0/26 via 172.30.0.17 dev eth0", "10.1.1.0/26 via 172.30.0.18 dev eth0"),
        ("bgpd 0.1.0 is draining, process 61", "bgpd 0.1.0 is ok, process 61"),
        ("1 packets transmitted, 0 received", "1 packets transmitted, 1 received"),
        ("| 172.30.0.18 | start | 00:23:37 |", "| 172.30.0.18 | up | 00:23:37 |"),
    ],
)
def test_everything_else_may_not(printed: str, shown: str) -> None:
    assert not is_alike([printed], [shown])


def test_a_missing_line_is_a_difference() -> None:
    assert not is_alike([], ["x"])
    assert not is_alike(["x", "y"], ["x"])


def test_a_page_is_written_anew_where_something_else_is_printed() -> None:
    _, cat, true, date = steps(PAGE)
    made = rewritten(PAGE, {cat: ("first", ""), true: ("new ",), date: ()})
    assert made == PAGE.replace("node2# true\n", "node2# true\nnew\n").replace("now\n", "")
    assert [one.shown for one in steps(made)] == [(), ("first", ""), ("new",), ()]
