"""The bundled click log, its text, and the script that made it."""

from __future__ import annotations

import csv
import hashlib
import lzma
import shutil
from datetime import datetime, timezone
from pathlib import Path

import pytest

from monitor_agent.demo import open_bandit
from monitor_agent.demo.make_extract import affinities, compress, main
from monitor_agent.errors import DataError


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> open_bandit.OpenBandit:
    return open_bandit.load("all", tmp_path_factory.mktemp("cache"))


def test_both_policies_are_whole(log: open_bandit.OpenBandit) -> None:
    """The bundled campaign has ten thousand impressions of each policy, with the clicks of the source."""
    assert (len(log.train), len(log.evaluate)) == (10_000, 10_000)
    assert (sum(row.click for row in log.train), sum(row.click for row in log.evaluate)) == (38, 42)


def test_times_are_exact_and_sorted(log: open_bandit.OpenBandit) -> None:
    """Impressions come in event-time order, with the microseconds of the log, shared ones included."""
    times = [row.timestamp for row in log.evaluate]

    assert times == sorted(times)
    assert times[0] == datetime(2019, 11, 24, 0, 0, 17, 4101, tzinfo=timezone.utc)
    assert times[-1] == datetime(2019, 11, 30, 23, 58, 22, 421681, tzinfo=timezone.utc)
    assert (len(set(times)), len({row.timestamp for row in log.train})) == (9_999, 9_991)


def test_values_equal_the_log(log: open_bandit.OpenBandit) -> None:
    """An impression keeps item, position, propensity and user features as the log has them."""
    first = log.train[0]

    assert (first.item_id, first.position, first.slot, first.propensity, first.click) == (14, 3, "right", 0.0125, 0)
    assert first.user_features[0] == "81ce123cbb5bd8ce818f60fb3586bba5"
    assert all(0 < row.propensity <= 1 for row in log.evaluate)
    assert sum(len(row.affinities) for row in log.train) == 502


def test_an_item_reads_the_same_under_both_policies(log: open_bandit.OpenBandit) -> None:
    """The log hashes item features anew for each policy; the text does not depend on it."""
    texts = [{row.item_id: row.text_b for row in rows} for rows in (log.train, log.evaluate)]

    assert len(texts[0]) == 80
    assert texts[0] == texts[1]


def test_training_text_has_few_words(log: open_bandit.OpenBandit, tmp_path: Path) -> None:
    """The training file holds the training part alone, in words of a small vocabulary."""
    log.write_training_csv(tmp_path / "train.csv")

    with (tmp_path / "train.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert rows[0] == {
        "text_a": "ua81ce ub03a5 ucc2e4 udf975 affinity0 history0 right hour2",
        "text_b": "item14 price4 ia3 ib2 ic2",
        "label": "0",
    }
    assert sum(int(row["label"]) for row in rows) == 38
    assert len({word for row in rows for word in f"{row['text_a']} {row['text_b']}".split()}) < 200


def test_the_data_card_names_the_bundled_files() -> None:
    """The data card holds the checksums of the bundled files and of their content."""
    card = (open_bandit.BUNDLED / "DATA_CARD.md").read_text(encoding="utf-8")

    for path in open_bandit.extract_paths("all", open_bandit.BUNDLED):
        assert hashlib.sha256(path.read_bytes()).hexdigest() in card
    assert open_bandit.CONTENT_SHA256["all"] in card


def test_packing_is_deterministic() -> None:
    """Equal tables are packed to equal bytes, at any time and under any file name."""
    _, items = open_bandit.extract_paths("all", open_bandit.BUNDLED)
    table = open_bandit.read_table(items)

    packed = compress(table)

    assert packed == compress(table)
    assert lzma.decompress(packed).decode() == table


def test_affinities_keep_what_is_not_zero() -> None:
    """A row's affinities become pairs of item and value, zeros left out."""
    assert affinities([("item_id", "3"), ("user-item_affinity_0", "0.0"), ("user-item_affinity_12", "2.0")]) == "12:2.0"


def test_an_unknown_campaign_is_refused(tmp_path: Path) -> None:
    """A campaign that is not in the data set is an error that names the campaigns."""
    with pytest.raises(DataError, match="all, men, women"):
        open_bandit.load("children", tmp_path)


@pytest.mark.parametrize("damage", ["cut", "changed"])
def test_a_damaged_extract_is_refused(damage: str, tmp_path: Path) -> None:
    """Files in the cache that are cut off or hold other data are an error."""
    sources = open_bandit.extract_paths("all", open_bandit.BUNDLED)
    impressions, items = open_bandit.extract_paths("women", tmp_path)
    shutil.copy(sources[1], items)
    impressions.write_bytes(sources[0].read_bytes()[:1000] if damage == "cut" else sources[0].read_bytes())

    with pytest.raises(DataError, match="remove it"):
        open_bandit.load("women", tmp_path)


def test_another_package_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The script accepts only the pinned package, reports another one in one line, and writes no file."""
    wheel = tmp_path / "obp-0.4.1-py3-none-any.whl"
    wheel.write_bytes(b"something else")

    assert main(["--campaign", "men", "--out", str(tmp_path / "out"), "--wheel", str(wheel)]) == 1
    assert capsys.readouterr().err.startswith("error: obp-0.4.1-py3-none-any.whl is not the expected file - ")
    assert not (tmp_path / "out").exists()
