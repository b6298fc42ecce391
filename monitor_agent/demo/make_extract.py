"""Makes the compact extract of an Open Bandit campaign from the sample inside the Python package ``obp``.

    python -m monitor_agent.demo.make_extract --campaign all --out DIR

The same input gives the same bytes. Values are kept as they are written in the package; only zeros among the user-item
affinities and the row numbers are left out.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import io
import lzma
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterable
from pathlib import Path

from monitor_agent.demo.open_bandit import (
    BUNDLED,
    CAMPAIGNS,
    EVALUATE_POLICY,
    TRAIN_POLICY,
    OpenBandit,
    extract_paths,
    has_extract,
    load,
)
from monitor_agent.errors import DataError, MonitorError
from monitor_agent.files import replace_file

PACKAGE = "obp==0.4.1"
WHEEL_SHA256 = "87dec9caf4283c25ab13036532e0a24566f1c7bdcad1653a8ded43b2f5ef8208"
AFFINITY = "user-item_affinity_"
COLUMNS = (
    "timestamp",
    "item_id",
    "position",
    "click",
    "propensity_score",
    *(f"user_feature_{kind}" for kind in range(4)),
)
ITEM_COLUMNS = ("item_id", *(f"item_feature_{kind}" for kind in range(4)))
DOWNLOAD_SECONDS = 300


def load_or_make(campaign: str, cache_dir: Path) -> OpenBandit:
    """Return a campaign's log; if its extract is neither bundled nor in ``cache_dir``, it is made there first.

    Raises
    ------
    DataError
        If the extract cannot be made, or is damaged.
    """
    if not has_extract(campaign, BUNDLED) and not has_extract(campaign, cache_dir):
        make_extract(campaign, cache_dir)
    return load(campaign, cache_dir)


def make_extract(campaign: str, out: Path, wheel: Path | None = None) -> tuple[Path, Path]:
    """Write a campaign's two files and return their paths.

    Parameters
    ----------
    wheel : the package's wheel; None = fetched with pip.

    Raises
    ------
    DataError
        If the package cannot be fetched or is not the expected one, or the folder cannot be written.
    """
    with tempfile.TemporaryDirectory() as folder:
        tables = read_wheel(campaign, wheel or fetch(Path(folder)))
    paths = extract_paths(campaign, out)
    try:
        out.mkdir(parents=True, exist_ok=True)
        for path, table in zip(paths, tables, strict=True):
            replace_file(path, compress(table), concurrent=True, mode=0o666)
    except OSError as error:
        reason = error.strerror or str(error)
        raise DataError(f"{out} cannot be written ({reason})", "name another folder or free disk space") from error
    return paths


def fetch(folder: Path) -> Path:
    """Return the package's wheel, fetched by pip from the index that the user's pip is set up for."""
    options = ("--no-deps", "--only-binary", ":all:", "--quiet", "--disable-pip-version-check", "--dest", str(folder))
    try:
        done = subprocess.run(
            [sys.executable, "-m", "pip", "download", *options, PACKAGE],
            capture_output=True,
            text=True,
            timeout=DOWNLOAD_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise DataError(f"{PACKAGE} could not be fetched in {DOWNLOAD_SECONDS} s", "check the package index") from error
    wheels = sorted(folder.glob("obp-*.whl"))
    if done.returncode or not wheels:
        reason = (done.stderr.strip() or "pip gave no reason").splitlines()[-1]
        raise DataError(
            f"{PACKAGE} could not be fetched ({reason})",
            "check that pip reaches its package index",
        )
    return wheels[0]


def read_wheel(campaign: str, wheel: Path) -> tuple[str, str]:
    """Return a campaign's impressions and items as CSV tables, both policies one after the other."""
    try:
        content = wheel.read_bytes()
    except OSError as error:
        raise DataError(f"{wheel} cannot be read ({error.strerror})", f"name the wheel of {PACKAGE}") from error
    if hashlib.sha256(content).hexdigest() != WHEEL_SHA256:
        raise DataError(f"{wheel.name} is not the expected file", f"fetch {PACKAGE} again")
    impressions, items = io.StringIO(), io.StringIO()
    to_impressions = csv.writer(impressions, lineterminator="\n")
    to_items = csv.writer(items, lineterminator="\n")
    to_impressions.writerow(("policy", *COLUMNS, "affinities"))
    to_items.writerow(("policy", *ITEM_COLUMNS))
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        for policy in (TRAIN_POLICY, EVALUATE_POLICY):
            folder = f"obp/dataset/obd/{policy}/{campaign}"
            rows = csv.DictReader(io.StringIO(archive.read(f"{folder}/{campaign}.csv").decode()))
            to_impressions.writerows(
                (policy, *(row[name] for name in COLUMNS), affinities(row.items())) for row in rows
            )
            rows = csv.DictReader(io.StringIO(archive.read(f"{folder}/item_context.csv").decode()))
            to_items.writerows((policy, *(row[name] for name in ITEM_COLUMNS)) for row in rows)
    return impressions.getvalue(), items.getvalue()


def affinities(columns: Iterable[tuple[str, str]]) -> str:
    """Return the non-zero affinities of a row, as ``item:value`` pairs in the columns' order.

    >>> affinities([("click", "1"), ("user-item_affinity_0", "0.0"), ("user-item_affinity_7", "2.0")])
    '7:2.0'
    """
    pairs = ((name.removeprefix(AFFINITY), value) for name, value in columns if name.startswith(AFFINITY))
    return " ".join(f"{item}:{value}" for item, value in pairs if float(value))


def compress(table: str) -> bytes:
    """Return a table as xz; the container holds no time and no name, so equal text gives equal bytes."""
    return lzma.compress(table.encode(), preset=9 | lzma.PRESET_EXTREME)


def main(arguments: list[str] | None = None) -> int:
    """Make the extract that the command line names and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m monitor_agent.demo.make_extract", description=__doc__)
    parser.add_argument("--campaign", choices=CAMPAIGNS, default="all")
    parser.add_argument("--out", type=Path, required=True, help="folder to write to")
    parser.add_argument("--wheel", type=Path, help=f"wheel of {PACKAGE} (default: fetched with pip)")
    args = parser.parse_args(arguments)
    try:
        for path in make_extract(args.campaign, args.out, args.wheel):
            sys.stdout.write(f"{path} {hashlib.sha256(path.read_bytes()).hexdigest()}\n")
    except MonitorError as error:
        sys.stderr.write(f"error: {error.message} - {error.hint}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
