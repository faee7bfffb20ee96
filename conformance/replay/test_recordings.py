"""Each recorded session again: we say what we said, and make of it what is written down."""

from pathlib import Path

import pytest

from conformance.replay.player import Play, recorded_messages
from conformance.replay.recording import Recording

RECORDINGS = sorted((Path(__file__).parent / "recordings").glob("*.txt"))


@pytest.mark.parametrize("path", RECORDINGS, ids=lambda path: path.stem)
def test_a_recorded_session_goes_as_it_went(path: Path) -> None:
    recording = Recording.parse(path.read_text())
    play = Play(recording)
    play.run()
    assert dict(play.messages) == recorded_messages(recording)
    assert play.lines == list(recording.expected)


def test_a_recording_is_written_as_it_was_read() -> None:
    assert RECORDINGS
    for path in RECORDINGS:
        assert Recording.parse(path.read_text()).format() == path.read_text()
