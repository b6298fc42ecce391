"""Copies of the product's files, which people edit: made, and compared with the files of this release."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from monitor_agent.errors import DataError
from monitor_agent.files import replace_file, written_out

PROJECT_FILE = 0o666
"""Rights of a copy, less the umask: people share it, and it holds no secret."""
MOST_NAMES = 5
OF_THE_REPOSITORY = frozenset({"kustomization.yaml"})
"""Names of files that are beside the product's files in the repository, and are no files of the product."""


@dataclass(frozen=True)
class FolderDifference:
    """How a folder differs from the one that it was copied from: paths below it, sorted.

    Attributes
    ----------
    missing : files that it lacks.
    changed : files with another content.
    equal : files with the same content.
    more : files that the original does not have.
    """

    missing: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    equal: tuple[str, ...] = ()
    more: tuple[str, ...] = ()


def compare(original: Path, copy: Path) -> FolderDifference:
    """Return how a folder differs from another one; one that does not exist lacks every file.

    Raises
    ------
    DataError
        If a file cannot be read.
    """
    names, present = set(_names(original)), set(_names(copy))
    states: dict[str, list[str]] = {"missing": [], "changed": [], "equal": []}
    for name in sorted(names):
        if name not in present:
            state = "missing"
        else:
            state = "equal" if _content(copy / name) == _content(original / name) else "changed"
        states[state].append(name)
    return FolderDifference(
        **{state: tuple(listed) for state, listed in states.items()}, more=tuple(sorted(present - names))
    )


def copy_folder(original: Path, out: Path, *, overwrite: bool = False) -> FolderDifference:
    """Copy a folder and return how `out` differed from it before; files that are equal are left alone.

    Nothing is written if a file would be replaced and `overwrite` is false.

    Parameters
    ----------
    overwrite : replace files with another content.

    Raises
    ------
    DataError
        If files would be replaced, or a file cannot be read or written.
    """
    before = compare(original, out)
    if before.changed and not overwrite:
        raise DataError(
            f"{listed(before.changed, out)} would be replaced", "name another --out, or replace them with --overwrite"
        )
    for name in (*before.missing, *before.changed):
        path = out / name
        content = _content(original / name)
        with written_out(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            replace_file(path, content, mode=PROJECT_FILE)
    return before


def listed(names: tuple[str, ...], folder: Path | None = None) -> str:
    """Return the first names of a list as text.

    >>> listed(("a", "b")), listed(("a", "b", "c", "d", "e", "f", "g"), Path("x"))
    ('a, b', 'x/a, x/b, x/c, x/d, x/e and 2 more')
    """
    rest = f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else ""
    return ", ".join(str(folder / name) if folder else name for name in names[:MOST_NAMES]) + rest


def _names(folder: Path) -> Iterator[str]:
    """Yield the paths of the product's files below a folder; hidden ones and editors' backups are left out."""
    if not folder.is_dir():
        return
    for path in folder.iterdir():
        if path.name.startswith(".") or path.name.endswith("~") or path.name in OF_THE_REPOSITORY:
            continue
        if path.is_dir():
            yield from (f"{path.name}/{name}" for name in _names(path))
        else:
            yield path.name


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror})", "correct the permissions") from error
