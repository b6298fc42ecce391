"""The Open Bandit click log: impressions of both policies in event-time order, and their text.

Source: Saito et al. 2021, Open Bandit Dataset and Pipeline, https://arxiv.org/abs/2008.07146 and ``data/DATA_CARD.md``.
A campaign is two files, ``<campaign>.impressions.csv.xz`` and ``<campaign>.items.csv.xz``, made by ``make_extract``.
"""

from __future__ import annotations

import csv
import hashlib
import io
import lzma
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path

from monitor_agent.errors import DataError
from monitor_agent.files import private_opener

BUNDLED = Path(__file__).parent / "data"
CAMPAIGNS = ("all", "men", "women")
TRAIN_POLICY, EVALUATE_POLICY = "random", "bts"
CONTENT_SHA256 = {
    "all": "b47b50fc2467200553045ed9478618286d464fd185f552bf5451c0ef9b25a753",
    "men": "0fa6fb54c9a59849c9a40e3b3ebe6c377ad2538bb464cb6611f3f1db46b03772",
    "women": "7b1f9f41744e4fa506ac89d9cfff2ba0395d3e1423e2ae3e71df948ad48e02e6",
}
SLOTS = {1: "left", 2: "center", 3: "right"}
PRICE_BUCKETS = 5
HOURS_PER_BUCKET = 4
SHOP_TIME = timezone(timedelta(hours=9), "JST")


@dataclass(frozen=True)
class Item:
    """An item as one policy's log describes it.

    Attributes
    ----------
    price : the log's standardised price, without a unit.
    groups : for each of the three categorical features, the smallest item id that shares the value: the log hashes
        the values anew for each policy, so the hashes themselves do not compare.
    """

    item_id: int
    price: float
    price_bucket: int
    groups: tuple[int, ...]


@dataclass(frozen=True)
class Impression:
    """One item shown once, and whether it was clicked.

    Attributes
    ----------
    timestamp : UTC, microseconds, as in the log; several impressions may share one.
    position : 1 to 3, from left to right.
    click : 1 or 0.
    propensity : the probability with which the policy chose this item at this position.
    affinities : item id -> how often the user chose that item before; an item that is not in it was never chosen.
    """

    timestamp: datetime
    item: Item
    position: int
    click: int
    propensity: float
    user_features: tuple[str, ...]
    affinities: dict[int, float]

    @property
    def item_id(self) -> int:
        """The item's number in its campaign."""
        return self.item.item_id

    @property
    def slot(self) -> str:
        """The place on the page: ``left``, ``center`` or ``right``."""
        return SLOTS[self.position]

    @property
    def visitor(self) -> str:
        """``known`` if the visitor has an affinity to an item, else ``new``."""
        return "known" if self.affinities else "new"

    @property
    def hours(self) -> int:
        """The part of the shop's day, 0 to 5: four hours each."""
        return self.timestamp.astimezone(SHOP_TIME).hour // HOURS_PER_BUCKET

    @property
    def features(self) -> dict[str, float | str]:
        """The logged features: the item's price, the user's liking for it and for all items, the hours."""
        return {
            "price": self.item.price,
            "affinity": self.affinities.get(self.item_id, 0.0),
            "history": sum(self.affinities.values()),
            "hours": str(self.hours),
        }

    @property
    def audience(self) -> str:
        """The visitor's group, as words: it stands for the search query, which this log does not have."""
        return " ".join(f"u{kind}{value[:4]}" for kind, value in zip("abcd", self.user_features, strict=True))

    @property
    def text_a(self) -> str:
        """User and context as words, such as ``ua81ce ub03a5 uc2723 ud9bde affinity0 history1 left hour3``."""
        affinity = min(int(self.affinities.get(self.item_id, 0.0)), 2)
        history = min(int(sum(self.affinities.values())), 2)
        return f"{self.audience} affinity{affinity} history{history} {self.slot} hour{self.hours}"

    @property
    def text_b(self) -> str:
        """The item as words, such as ``item14 price2 ia5 ib0 ic2``."""
        groups = " ".join(f"i{kind}{group}" for kind, group in zip("abc", self.item.groups, strict=True))
        return f"item{self.item_id} price{self.item.price_bucket} {groups}"


@dataclass(frozen=True)
class OpenBandit:
    """A campaign's log: ``train`` by the random policy, ``evaluate`` by Thompson sampling."""

    campaign: str
    train: tuple[Impression, ...]
    evaluate: tuple[Impression, ...]

    def write_training_csv(self, path: Path) -> None:
        """Write the training part as ``text_a,text_b,label``, one line an impression."""
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(path, "w", encoding="utf-8", newline="", opener=private_opener) as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(("text_a", "text_b", "label"))
            writer.writerows((row.text_a, row.text_b, row.click) for row in self.train)


def load(campaign: str, cache_dir: Path) -> OpenBandit:
    """Return a campaign's log from the bundled files, or from those that ``make_extract`` has put into ``cache_dir``.

    Raises
    ------
    DataError
        If the campaign is unknown, or its files are missing or damaged.
    """
    if campaign not in CAMPAIGNS:
        raise DataError(f"unknown campaign {campaign!r}", f"choose one of {', '.join(CAMPAIGNS)}")
    folder = BUNDLED if has_extract(campaign, BUNDLED) else cache_dir
    impressions, items = (read_table(path) for path in extract_paths(campaign, folder))
    if content_sha256(impressions, items) != CONTENT_SHA256[campaign]:
        raise DataError(
            f"the extract of campaign {campaign} in {folder} is damaged",
            "remove it; the next run makes it again" if folder == cache_dir else "install the project again",
        )
    return parse(campaign, impressions, items)


def has_extract(campaign: str, folder: Path) -> bool:
    """Return whether a folder holds a campaign's two files."""
    return all(path.exists() for path in extract_paths(campaign, folder))


def extract_paths(campaign: str, folder: Path) -> tuple[Path, Path]:
    """Return the paths of a campaign's impressions and items."""
    return folder / f"{campaign}.impressions.csv.xz", folder / f"{campaign}.items.csv.xz"


def content_sha256(impressions: str, items: str) -> str:
    """Return the checksum of a campaign's two tables, uncompressed, one after the other."""
    return hashlib.sha256((impressions + items).encode()).hexdigest()


def parse(campaign: str, impressions: str, items: str) -> OpenBandit:
    """Return the log of two CSV tables, each policy's impressions in event-time order (ties in the log's order)."""
    items_by_policy = _items(items)
    rows: dict[str, list[Impression]] = {TRAIN_POLICY: [], EVALUATE_POLICY: []}
    for row in csv.DictReader(io.StringIO(impressions)):
        rows[row["policy"]].append(_impression(row, items_by_policy[row["policy"]]))
    for policy_rows in rows.values():
        policy_rows.sort(key=lambda impression: impression.timestamp)
    return OpenBandit(campaign, tuple(rows[TRAIN_POLICY]), tuple(rows[EVALUATE_POLICY]))


def _impression(row: dict[str, str], items: dict[int, Item]) -> Impression:
    pairs = (pair.split(":") for pair in row["affinities"].split())
    return Impression(
        timestamp=datetime.fromisoformat(row["timestamp"]),
        item=items[int(row["item_id"])],
        position=int(row["position"]),
        click=int(row["click"]),
        propensity=float(row["propensity_score"]),
        user_features=tuple(row[f"user_feature_{kind}"] for kind in range(4)),
        affinities={int(item): float(value) for item, value in pairs},
    )


def _items(table: str) -> dict[str, dict[int, Item]]:
    """Return the items by policy and id."""
    rows = sorted(csv.DictReader(io.StringIO(table)), key=lambda row: int(row["item_id"]))
    by_policy: dict[str, list[dict[str, str]]] = {}
    for row in rows:
        by_policy.setdefault(row["policy"], []).append(row)
    return {policy: _policy_items(rows) for policy, rows in by_policy.items()}


def _policy_items(rows: list[dict[str, str]]) -> dict[int, Item]:
    prices = sorted(float(row["item_feature_0"]) for row in rows)
    edges = [prices[len(prices) * step // PRICE_BUCKETS] for step in range(1, PRICE_BUCKETS)]
    first: list[dict[str, int]] = [{}, {}, {}]
    items = {}
    for row in rows:
        item_id, price = int(row["item_id"]), float(row["item_feature_0"])
        groups = tuple(first[kind].setdefault(row[f"item_feature_{kind + 1}"], item_id) for kind in range(3))
        items[item_id] = Item(item_id, price, sum(price >= edge for edge in edges), groups)
    return items


def read_table(path: Path) -> str:
    """Return the text of an xz-packed table.

    Raises
    ------
    DataError
        If it cannot be read.
    """
    try:
        return lzma.decompress(path.read_bytes()).decode()
    except (OSError, lzma.LZMAError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read ({error})", "remove it; the next run makes it again") from error
