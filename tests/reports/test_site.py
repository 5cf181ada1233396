"""The site and the report: what they say, what they refuse, and that a browser is content with them."""

from __future__ import annotations

import hashlib
import html.parser
import json
from dataclasses import replace
from pathlib import Path

import pytest

from harness.reports.leaderboard import SuiteFacts
from harness.reports.leaderboard_command import load_with_submissions, site_pages
from harness.reports.ranking import build_leaderboard
from harness.reports.report import build_report, write_figures
from harness.reports.run_sources import sources_of
from harness.reports.site import remove_earlier
from harness.reports.submissions import judge
from harness.results.certificate import certificate_path, compare
from harness.results.packing import pack
from harness.results.plausible import SuiteRules
from harness.results.row_files import encode_rows
from harness.results.rows import Row
from harness.results.store import RowStore, load_rows
from harness.results.submission import load_submission, submit
from tests.reports.chromium import PROGRAM, chromium
from tests.results.test_store import ROW
from tests.results.test_submission import record

TASKS = ("walker_walk", "cheetah_run")
RULES = SuiteRules("video_hard", 1, TASKS, ("train", "video_hard"), "return", (0.0, 1.0), 100, 42)
FACTS = {"video_hard": SuiteFacts("video_hard", TASKS, ("video_hard",), frame_rewards=(0.0, 1.0))}
HOSTILE = "<script>document.title='hit'</script>\"'`&amp;<img src=x onerror=alert(1)>\u202egnp\x1b[31m=1+1 $x$ @a "
NAMES = (HOSTILE + "x" * (300 - len(HOSTILE)), "=HYPERLINK(1)", "]]>--><b>{{ 7*7 }}")


def row_of(agent: str, task: str, setting: str, seed: int, episode: int, mean: float, salt: str) -> Row:
    name = hashlib.sha256(f"{agent}{task}{setting}{seed}{episode}{salt}".encode()).hexdigest()
    return replace(
        ROW,
        run_id=f"run of {agent}",
        agent=agent,
        task=task,
        setting=setting,
        train_seed=seed,
        eval_seed=seed + 42,
        episode=episode,
        episode_return=mean * (1.0 if setting == "train" else 0.5) + int(name[:4], 16) / 6554,
        preset="paper",
        checkpoint=hashlib.sha256(f"{agent}{task}{seed}{salt}".encode()).hexdigest(),
        first_pixels=name[:16],
        trajectory=name[16:32],
    )


def make_run(folder: Path, agent: str, mean: float, salt: str = "") -> Path:
    """A finished run of two tasks, two settings, three seeds, two episodes."""
    store = RowStore(folder / "rows")
    cells = [(task, setting, seed) for task in TASKS for setting in ("train", "video_hard") for seed in range(3)]
    for cell in cells:
        for episode in (0, 1):
            store.append(row_of(agent, *cell, episode, mean, salt))
        store.complete(*cell)
    for task, seed in {(task, seed) for task, _, seed in cells}:
        log = folder / "train" / f"{task}-seed{seed}" / "train.jsonl"
        log.parent.mkdir(parents=True)
        log.write_text("".join(f'{{"num_frames": {n}, "episode_return": {n}.5}}\n' for n in (1, 2, 3)))
    whole = record()
    tasks = [{**whole["tasks"][0], "task": task} for task in TASKS]
    agent_named = {"name": agent, "version": 1, "asked": agent}
    whole |= {"run_id": f"run of {agent}", "agent": agent_named, "tasks": tasks, "seeds": [0, 1, 2]}
    whole |= {"preset": "paper", "command": ["/somewhere/harness", "run", "--agent", agent]}
    (folder / "record.json").write_text(json.dumps(whole))
    return folder


def pages_of(paths: list[Path]) -> dict[str, str]:
    loaded = load_with_submissions(paths, {}, lambda name: RULES)
    return site_pages(loaded, build_leaderboard(loaded.rows, FACTS))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs of agents, hostile names among them, and two submissions, one of which repeats the other."""
    folder = tmp_path_factory.mktemp("site")
    for number, agent in enumerate(("good", "poor", *NAMES)):
        make_run(folder / "runs" / f"r{number}", agent, 900.0 - 100 * number)
    (folder / "sent").mkdir()
    data = submit(make_run(folder / "elsewhere", "good", 600.0, "elsewhere"))
    for name in ("a.zip", "b.zip"):
        (folder / "sent" / name).write_bytes(data)
    (folder / "sent" / "c.zip").write_bytes(data[:-1])
    return folder


@pytest.fixture(scope="module")
def pages(folder: Path) -> dict[str, str]:
    return pages_of([folder / "runs", folder / "sent"])


class Shown(html.parser.HTMLParser):
    """What a page has: its tags with their attributes, and its text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def test_there_is_a_page_for_all_each_agent_and_each_run(pages: dict[str, str]) -> None:
    agents = [name for name in pages if name.startswith("agent-")]
    runs = [name for name in pages if name.startswith("run-")]
    assert (len(agents), len(runs), len(pages)) == (5, 6, 12)
    for page in pages.values():
        links = [attributes.get("href") for tag, attributes in Shown(page).tags if tag == "a"]
        assert set(links) <= set(pages)
    index = pages["index.html"]
    assert "video_hard: good (a) reaches" in index
    assert "checksummed only" in index
    assert "24 of its 24 episodes repeat a.zip" in index
    assert "it is no submission, or was cut short" in index
    assert "good (b) ‡: not measured here, but from the submission a.zip (checksummed only)." in index
    good = next(page for name, page in pages.items() if name.startswith("run-run-of-good"))
    assert "harness run --agent good" in good
    assert "/somewhere" not in good
    assert "SHA-256 of its parameters" in good


def test_nothing_is_loaded_and_no_name_is_more_than_text(pages: dict[str, str]) -> None:
    for page in pages.values():
        shown = Shown(page)
        tags = [tag for tag, _ in shown.tags]
        assert tags.count("script") == tags.count("style") == 1
        assert all(not name.startswith("on") for _, attributes in shown.tags for name in attributes)
        sources = [a.get("src") or "data:" for _, a in shown.tags] + [a["href"] for t, a in shown.tags if t == "link"]
        assert all(str(source).startswith("data:") for source in sources)
        assert not {"\x1b", "\u202e"} & set(page)
    texts = "".join(Shown(pages["index.html"]).texts)
    assert NAMES[0].replace("\u202e", "\\u202e").replace("\x1b", "\\x1b") in texts
    assert all(name in texts for name in NAMES[1:])


def test_the_same_rows_give_the_same_pages(folder: Path) -> None:
    paths = [folder / "runs" / "r0", folder / "sent" / "a.zip"]
    assert pages_of(paths) == pages_of(paths)


def test_a_submission_that_repeats_what_was_measured_here_is_refused(folder: Path) -> None:
    found = judge([folder / "sent" / "a.zip"], lambda name: RULES, load_rows(folder / "elsewhere"))
    assert found.accepted == []
    assert found.refused[0].reason == "24 of its 24 episodes repeat the rows that were measured here"
    assert "ranges were not checked" in judge([folder / "sent" / "a.zip"], lambda name: None).accepted[0].trust


@pytest.mark.parametrize("blank", ["the first", "the second", "both"])
def test_a_repeated_submission_is_known_without_its_trajectories(tmp_path: Path, folder: Path, blank: str) -> None:
    found = load_submission(folder / "sent" / "a.zip")
    told = pack({**found.files, "rows.parquet": encode_rows(list(found.rows))})
    untold = pack({**found.files, "rows.parquet": encode_rows([replace(row, trajectory="") for row in found.rows])})
    for number, name in enumerate(("the first", "the second")):
        (tmp_path / f"{number}.zip").write_bytes(untold if blank in (name, "both") else told)
    judged = judge([tmp_path / "0.zip", tmp_path / "1.zip"], lambda name: RULES)
    assert [each.path.name for each in judged.accepted] == ["0.zip"]
    assert judged.refused[0].reason == "24 of its 24 episodes repeat 0.zip"


def test_what_was_refused_since_is_found_no_more(tmp_path: Path) -> None:
    old, kept = ["agent-old-0123abcd.html", "run-0123abcd.html"], ["index.html", "agent-new-0123abcd.html", "mine.html"]
    for name in (*old, *kept):
        (tmp_path / name).touch()
    remove_earlier(tmp_path, ["index.html", "agent-new-0123abcd.html"])
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(kept)


def test_an_agent_s_page_has_its_own_verdicts(tmp_path: Path) -> None:
    make_run(tmp_path / "r0", "drq", 500.0)
    make_run(tmp_path / "r1", "drqv2", 900.0)
    pages = pages_of([tmp_path])
    short, long = (
        next(page for name, page in pages.items() if name.startswith(f"agent-{a}-")) for a in ("drq", "drqv2")
    )
    assert "video_hard: drqv2 reaches" in long
    assert "video_hard: drqv2 reaches" not in short


def test_a_part_of_a_suite_is_called_so(tmp_path: Path) -> None:
    make_run(tmp_path / "r0", "good", 500.0)
    loaded = load_with_submissions([tmp_path], {}, lambda name: RULES)
    whole = {**FACTS, "video_hard": replace(FACTS["video_hard"], tasks=(*TASKS, "fish_swim"))}
    page = site_pages(loaded, build_leaderboard(loaded.rows, whole))["index.html"]
    assert f"video_hard ({len(TASKS)} of {len(TASKS) + 1} tasks): good reaches" in page
    assert f"mean over {len(TASKS)} of {len(TASKS) + 1} tasks" in page


def test_what_calls_itself_untrained_but_was_trained_once_claims_nothing(tmp_path: Path) -> None:
    """A submission may state 0 frames, and imported returns do not say how many there were."""
    make_run(tmp_path / "r0", "many", 500.0)
    make_run(tmp_path / "r1", "once", 900.0)
    rows = load_rows(tmp_path)
    once = (rows["agent"] == "once").to_numpy()
    rows = rows[~once | (rows["train_seed"] == 0).to_numpy()]
    for change in ({"training": "a" * 16}, {"origin": "a.csv", "checkpoint": "", "training": ""}):
        claimed = rows.copy()
        for name, value in {"train_frames": 0, **change}.items():
            column = claimed[name].astype(object if isinstance(value, str) else None)
            claimed[name] = column.where((claimed["agent"] != "once").to_numpy(), value)
        board = build_leaderboard(claimed, FACTS).boards[0]
        assert not any(standing.is_best for ranking in board.rankings for standing in ranking.standings)
        assert all(standing.best_chance is None for ranking in board.rankings for standing in ranking.standings)


def test_impossible_values_are_refused_with_the_first(tmp_path: Path, folder: Path) -> None:
    found = load_submission(folder / "sent" / "a.zip")
    rows = [replace(row, episode_return=row.episode_return + 5000) for row in found.rows]
    (tmp_path / "x.zip").write_bytes(pack({**found.files, "rows.parquet": encode_rows(rows)}))
    reason = judge([tmp_path / "x.zip"], lambda name: RULES).refused[0].reason
    assert reason.startswith("it has impossible values: episode 0 of walker_walk, train: a return of 56")
    assert reason.endswith("(and 23 more)")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({}, "re-evaluated here: 2 of 2 episodes the same"),
        ({"episode_return": 1.0, "gl_renderer": "other"}, "under other conditions (gl_renderer): 0 of 2"),
        ({"episode_return": 1.0}, None),
    ],
)
def test_trust_is_what_came_of_playing_again(tmp_path: Path, folder: Path, change: dict, told: str | None) -> None:
    path = tmp_path / "a.zip"
    path.write_bytes((folder / "sent" / "a.zip").read_bytes())
    found = load_submission(path)
    pairs = [(row, replace(row, **change)) for row in found.rows[:2]]
    certificate_path(path).write_text(compare(found.digest, 1, 24, pairs, "abc").model_dump_json())
    judged = judge([path], lambda name: RULES)
    if told is None:
        assert judged.refused[0].reason.startswith("contradicted: re-evaluated here, 0 of 2 episodes the same")
    else:
        assert told in judged.accepted[0].trust
    certificate_path(path).write_text(compare("0" * 64, 1, 24, pairs, "abc").model_dump_json())
    assert judge([path], lambda name: RULES).accepted[0].trust == "checksummed only"
    certificate_path(path).write_text("{}")
    assert "is no certificate" in judge([path], lambda name: RULES).refused[0].reason


def report_of(folder: Path) -> str:
    rows = load_rows(folder)
    return build_report(rows, build_leaderboard(rows, FACTS), FACTS, sources_of(rows, [folder]))


def test_a_report_says_first_what_came_out(folder: Path) -> None:
    page = report_of(folder / "runs" / "r0")
    told = [text.strip() for text in Shown(page).texts if text.strip()]
    at = told.index("good on video_hard", 1)
    assert told[at + 1].startswith("video_hard: good reaches 45")
    assert [
        t for t in ("Results: video_hard", "Learning curves", "How to reproduce: run of good") if t not in told
    ] == []
    assert "Before you use these numbers" not in told


def test_a_report_of_stand_ins_warns_and_claims_nothing(tmp_path: Path) -> None:
    store = RowStore(tmp_path / "r" / "rows")
    for setting in ("train", "video_hard"):
        for episode in (0, 1):
            row = row_of("good", "walker_walk", setting, 0, episode, 100.0, "")
            store.append(replace(row, stand_ins="videos", preset="quick", notes="6 textures"))
    page = report_of(tmp_path / "r")
    assert "Made with stand-ins for real files (videos): these are no measurements." in page
    assert "Preset quick shows that everything works" in page
    assert "Note: 6 textures." in page
    assert "video_hard, video_hard: good 5" in page
    assert "The command is not known" in page


def test_figures_are_files_of_their_own(folder: Path, tmp_path: Path) -> None:
    rows = load_rows(folder / "runs" / "r0")
    sources = sources_of(rows, [folder / "runs" / "r0"])
    paths = write_figures(build_leaderboard(rows, FACTS), sources, tmp_path / "figures", ".pdf")
    names = ["video_hard_intervals.pdf", "video_hard_profiles.pdf", "run_of_good_curves1.pdf"]
    assert [path.name for path in paths] == names
    assert all(path.read_bytes().startswith(b"%PDF") for path in paths)


@pytest.mark.skipif(PROGRAM is None, reason="needs Chromium")
def test_a_browser_sorts_searches_and_asks_for_nothing(folder: Path, pages: dict[str, str], tmp_path: Path) -> None:
    site = tmp_path / "site"
    site.mkdir()
    for name, text in {**pages, "report.html": report_of(folder / "runs" / "r0")}.items():
        (site / name).write_text(text, encoding="utf-8")
    run = next(name for name in pages if name.startswith("run-run-of-good"))
    agent = next(name for name in pages if name.startswith("agent-script"))
    with chromium(tmp_path / "profile") as tab:
        for name in ("index.html", "report.html", run, agent):
            for width in (1280, 390):
                tab.open(site / name, width)
                assert tab.run("document.documentElement.scrollWidth") <= width
                assert tab.run("document.title") != "hit"
                assert tab.run("[...document.images].every((image) => image.naturalWidth > 0)")
        tab.open(site / "index.html", 1280)
        first = "document.querySelector('table.results tbody tr th').textContent"
        assert tab.run(first) == "good (a)"
        click = "document.querySelectorAll('table.results thead .sort')[2].click()"
        tab.run(f"{click}; {click}")
        assert tab.run("document.querySelectorAll('table.results th')[2].getAttribute('aria-sort')") == "ascending"
        assert tab.run(first) == NAMES[-1]
        tab.run("search.value = 'poor'; search.dispatchEvent(new Event('input'))")
        visible = "[...document.querySelectorAll('table.results')[0].tBodies[0].rows].filter((row) => !row.hidden)"
        assert tab.run(f"{visible}.map((row) => row.cells[0].textContent)") == ["poor"]
        assert tab.complaints == []


def test_a_run_of_a_policy_without_a_seed_and_one_of_others_rows_have_pages(tmp_path: Path) -> None:
    rows = [replace(row_of("plain", TASKS[0], "train", 0, n, 5.0, ""), train_seed=None) for n in range(2)]
    others = [replace(row, run_id="theirs", origin="m.csv (imported)", agent="theirs") for row in rows]
    for name, some in (("plain", rows), ("theirs", others)):
        store = RowStore(tmp_path / name / "rows")
        for row in some:
            store.append(row)
        store.complete(TASKS[0], "train", None)
    pages = pages_of([tmp_path])
    plain, theirs = (next(pages[name] for name in pages if name.startswith(f"run-{run}")) for run in ("run", "theirs"))
    assert ">–<" in plain
    assert "imported, checked by nobody" in theirs
    assert "Imported from m.csv (imported): how it was measured is not recorded." in theirs
    assert "theirs ‡: not measured here, but from m.csv (imported)." in pages["index.html"]
