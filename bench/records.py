"""What a run finds, and how it is kept: JSON lines, the first one about the series, then one for each run.

Times are seconds, memory is MiB. Names of the fields are those of the load tool's output.
"""

from pathlib import Path

import msgspec


class Phase(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the load tool measured in one phase; ``None`` is what the phase does not have, or did not reach."""

    ok: bool
    sinks_full: int | None = None
    min_held: int | None = None
    want: int | None = None
    fed_s: float | None = None
    first_s: float | None = None
    full_min_s: float | None = None
    full_med_s: float | None = None
    full_max_s: float | None = None
    dut_cpu_s: float | None = None
    load_cpu_s: float | None = None
    rx_msgs: int | None = None
    rx_bytes: int | None = None
    rx_updates: int | None = None
    rx_nlri: int | None = None
    rx_withdrawn: int | None = None
    up_s: float | None = None
    keepalive_gap_s: float | None = None
    secs: float | None = None
    prefixes_per_s: float | None = None
    rounds: int | None = None
    round_med_s: float | None = None
    round_max_s: float | None = None
    undelivered: int | None = None
    cpu_s_per_minute: float | None = None


class Outcome(msgspec.Struct, omit_defaults=True):
    """One run.

    peak_mib: memory of the daemon's processes. foreign_cores: cores that neither the daemon nor the load tool nor the
    suite used, on average. loop_lag_s: bound of our event loop's lag. error: why the run is not valid.
    """

    ok: bool
    phases: dict[str, Phase] = {}
    error: str = ""
    prefixes: int = 0
    attr_sets: int = 0
    feed_bytes: int = 0
    established: int = 0
    speakers: int = 0
    setup_flaps: int = 0
    est_s: float | None = None
    est_cpu_s: float | None = None
    checksum: str = ""
    attrs_ok: bool | None = None
    unexpected: int = 0
    reflected_back: int = 0
    bad_attrs: int = 0
    load_cpu_total_s: float = 0.0
    peak_mib: float = 0.0
    foreign_cores: float = 0.0
    loop_lag_s: float | None = None


class Run(msgspec.Struct, frozen=True):
    """One run of one daemon. repetition: from 0. seconds: wall clock, with start and end of the daemon."""

    title: str
    daemon: str
    version: str
    repetition: int
    seconds: float
    outcome: Outcome


class Series(msgspec.Struct, frozen=True):
    """Runs that were made together. date: of its beginning, UTC."""

    suite: str
    date: str
    machine: str
    system: str
    python: str
    revision: str


class Results(msgspec.Struct, frozen=True):
    """A series with its runs, in the order in which they were made."""

    series: Series
    runs: tuple[Run, ...]

    def of(self, title: str, daemon: str) -> list[Run]:
        """Return the runs of one daemon in one case."""
        return [run for run in self.runs if run.title == title and run.daemon == daemon]


def load(path: Path) -> Results:
    """Return what a file keeps. A last line that was cut off is left out, as it stands when a run is interrupted."""
    head, *lines = path.read_bytes().splitlines(keepends=True)
    whole = [line for line in lines if line.endswith(b"\n")]
    decode = msgspec.json.Decoder(Run).decode
    return Results(msgspec.json.decode(head, type=Series), tuple(decode(line) for line in whole))


def dump(path: Path, record: Series | Run) -> None:
    """Add one line to a file."""
    with path.open("ab") as file:
        file.write(msgspec.json.encode(record) + b"\n")


def newest(directory: Path, suite: str = "full") -> Path | None:
    """Return the file of the last series of a suite that is kept."""
    found = sorted(directory.glob(f"{suite}-*.jsonl"))
    return found[-1] if found else None
