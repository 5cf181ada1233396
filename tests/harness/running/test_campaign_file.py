"""A campaign's file: the command's options, and every slip in one sentence with its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.errors import UsageError
from harness.running.campaign_file import IN_FILE, CampaignFile, read_campaign, show_campaign

GOOD = """\
suites: [video_easy, video_hard]
agents:
  - pieg
seeds: 0-4
frames: 3000
runs: elsewhere
set: {learning_rate: 1e-4, name: "3", deep: [1, 2]}
"""

ALIASES = [(before, chr(ord(before) + 1)) for before in "abcdefgh"]
TENTHS = [f"{name}: &{name} [{', '.join([f'*{before}'] * 10)}]" for before, name in ALIASES]
BOMB = "\n".join(["a: &a [x]", *TENTHS, ""])  # a hundred million entries


def read(folder: Path, text: str) -> dict[str, object]:
    (folder / "table.yaml").write_text(text)
    return read_campaign(folder / "table.yaml")


def test_a_file_says_what_options_say_and_is_printed_as_itself(tmp_path: Path) -> None:
    options = read(tmp_path, GOOD)
    assert options == {
        "suite": ["video_easy", "video_hard"],
        "agent": ["pieg"],
        "seeds": "0-4",
        "frames": 3000,
        "runs": Path("elsewhere"),
        "set_": ["learning_rate=0.0001", 'name="3"', "deep=[1, 2]"],
    }
    assert read(tmp_path, show_campaign(options)) == options
    assert read(tmp_path, "suites: [a]\nseeds: 3\n")["seeds"] == "3"
    assert read(tmp_path, "suites: [a]\nframes: 1_000_000\n")["frames"] == 1_000_000
    assert read(tmp_path, "suites: [a]\nseeds: '010'\nset: {a: null}\n")["set_"] == ["a=null"]


def test_every_key_is_an_option() -> None:
    assert set(IN_FILE.values()) == set(CampaignFile.model_fields)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("agents: [a]\n\nsuits: [b]\n", r"line 3: Unknown option 'suits'\. Did you mean 'suites'\?"),
        ("suites: [a\n", r"line 2 is no YAML"),
        ("suites: a\n", r"line 1: 'suites' should be a valid list"),
        ("suites:\n  - a\n  - 3\n", r"line 3: 'suites\.1' should be a valid string, not 3"),
        ("suites: []\n", r"line 1: 'suites' should have at least 1 item"),
        ("episodes: 1\nframes: true\n", r"line 2: 'frames' should be a valid integer, not true"),
        ("frames: 1\nframes: 2\n", r"line 2: 'frames' is given twice, first in line 1"),
        ("set: {a: 1, b: 2, a: 3}\n", r"line 1: 'a' is given twice"),
        ("set: {a: !!python/object/apply:os.getcwd []}\n", r"is no YAML"),
        ("- suites\n", r"holds no options"),
        ("suites: [a]\npreset:\n", r"line 2: 'preset' has no value"),
        ("suites: [a]\nruns: null\n", r"line 2: 'runs' has no value"),
        ("suites: [a]\nseeds: ~\n", r"line 2: 'seeds' has no value"),
        ("suites: [a]\nseeds: 010\n", r"line 2: '010' is no plain number"),
        ("suites: [a]\nframes: 1:30\n", r"line 2: '1:30' is no plain number"),
        ("set: {a: 0x10}\n", r"line 1: '0x10' is no plain number"),
        ("", r"holds no options"),
        ("\x00", r"is no YAML"),
        ("suites:\n\t- a\n", r"line 2 is no YAML"),
        ("suites: &s [*s]\n", r"lie too deep, or within themselves"),
        ("[" * 5000, r"lie too deep, or within themselves"),
        (BOMB, r"line [1-9]: with its aliases it has more than 10,000 entries"),
        (f"{BOMB}set: {{<<: *i}}\n", r"with its aliases it has more than 10,000 entries"),
    ],
)
def test_slips_are_named_with_their_line(text: str, sentence: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=sentence) as raised:
        read(tmp_path, text)
    assert "table.yaml" in str(raised.value)
    assert "\n" not in str(raised.value)


def test_aliases_may_be_used(tmp_path: Path) -> None:
    assert read(tmp_path, "suites: &both [a, b]\nagents: *both\n") == {"suite": ["a", "b"], "agent": ["a", "b"]}


@pytest.mark.parametrize("text", [b"suites: [\xff]\n", "suites: [é]\n".encode("latin-1")])
def test_what_is_no_text_is_refused(text: bytes, tmp_path: Path) -> None:
    (tmp_path / "table.yaml").write_bytes(text)
    with pytest.raises(UsageError, match="is no YAML: it is not text"):
        read_campaign(tmp_path / "table.yaml")


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        read_campaign(tmp_path)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"There is no file .*nowhere\.yaml"):
        read_campaign(tmp_path / "nowhere.yaml")
