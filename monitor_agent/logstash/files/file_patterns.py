"""The files that match glob patterns. A folder whose name contains `[`, `?` or `{` is found by this name, too."""

from __future__ import annotations

import fnmatch
import os
import re
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import structlog

from monitor_agent.files import readable_name
from monitor_agent.logstash.files.positions import FileKey

_MAGIC = re.compile(r"[*?[{\\]")
_BRACES = re.compile(r"\{([^{}]*)\}")

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class FileMatch:
    """A file that matches, as it is now: its path, its size, its last change in nanoseconds."""

    path: str
    size: int
    changed: int


class FilePatterns:
    """Searches for the files of some patterns; warns once of a pattern without a folder and of a folder without rights.

    A pattern has the signs of Logstash: `*`, `**`, `?`, `[a-z]`, `{a,b}`, and a backslash before a sign that stands
    for itself. The name of a folder that exists stands for itself, too, unless it contains `*`.
    """

    def __init__(self, patterns: Sequence[str], excluded: Sequence[str] = ()) -> None:
        self._patterns = patterns
        self._excluded = excluded
        self._missing: set[str] = set()
        self._refused: dict[str, str] = {}
        self._before: dict[str, str] = {}

    def matches(self, *, newest_last: bool) -> dict[FileKey, FileMatch]:
        """Return every file that matches, by device and inode: a link and its target are one file.

        Parameters
        ----------
        newest_last : the order: by the last change, else by path.
        """
        self._before, self._refused = self._refused, {}
        candidates: list[tuple[int, str, FileKey, FileMatch]] = []
        for path in self._paths():
            try:
                status = Path(path).stat()
            except PermissionError as error:
                self._refuse(path.rpartition("/")[0], error)
                continue
            except OSError:
                continue  # deleted meanwhile, or a link to nothing
            if stat.S_ISREG(status.st_mode):
                match = FileMatch(path, status.st_size, status.st_mtime_ns)
                order = status.st_mtime_ns if newest_last else 0
                candidates.append((order, path, (status.st_dev, status.st_ino), match))
        matches: dict[FileKey, FileMatch] = {}
        for _, _, key, match in sorted(candidates, key=lambda candidate: candidate[:2]):
            matches.setdefault(key, match)
        return matches

    def _paths(self) -> Iterator[str]:
        for pattern in self._patterns:
            found_folder = False
            for folder, name in self._targets(pattern):
                found_folder = True
                yield from self._files(folder, name)
            self._report_folder(pattern, exists=found_folder)

    def _targets(self, pattern: str) -> Iterator[tuple[str, str]]:
        """Yield each folder of a pattern that exists, with the pattern of the names in it."""
        folder, _, name = pattern.rpartition("/")
        folders = self._folders(folder)
        if folders or "{" not in folder:
            alternatives = [*alternatives_of(name), name] if "{" in name else [name]
            yield from ((place, alternative) for place in folders for alternative in alternatives)
            return
        for alternative in alternatives_of(pattern):
            folder, _, name = alternative.rpartition("/")
            yield from ((place, name) for place in self._folders(folder))

    def _folders(self, pattern: str) -> list[str]:
        places = [""]
        for segment in pattern.split("/"):
            if segment not in ("", "."):
                places = [child for place in places for child in self._children(place, segment)]
        return [place for place in places if self._is_folder(place or "/")]

    def _children(self, folder: str, segment: str) -> list[str]:
        """Return the paths in `folder` that a segment of a pattern names; one without signs may not exist."""
        literal = f"{folder}/{segment}"
        if not _MAGIC.search(segment) or ("*" not in segment and self._is_folder(literal)):
            return [literal]
        if segment == "**":
            return self._tree(folder)
        return [path for path in self._entries(folder, segment) if self._is_folder(path)]

    def _tree(self, folder: str) -> list[str]:
        """Return a folder and all folders below it; each of them once, whatever links there are."""
        folders, visited = [folder], set()
        for place in folders:  # grows meanwhile
            try:
                status = Path(place or "/").stat()
            except OSError:
                continue
            if (status.st_dev, status.st_ino) not in visited:
                visited.add((status.st_dev, status.st_ino))
                folders += [path for path in self._entries(place, "*") if self._is_folder(path)]
        return folders

    def _files(self, folder: str, name: str) -> Iterator[str]:
        if name == "**":
            for place in self._tree(folder):
                yield from self._files(place, "*")
        elif _MAGIC.search(name):
            yield from self._entries(folder, name)
        elif not self._is_excluded(name):
            yield f"{folder}/{name}"

    def _entries(self, folder: str, pattern: str) -> list[str]:
        """Return the path of each entry whose name matches; excluded names are left out."""
        translated = _fnmatch_pattern(pattern)
        try:
            with os.scandir(folder or "/") as entries:
                return [
                    f"{folder}/{entry.name}"
                    for entry in entries
                    if (fnmatch.fnmatchcase(entry.name, translated) or entry.name == pattern)
                    and (pattern.startswith(".") or not entry.name.startswith("."))
                    and not self._is_excluded(entry.name)
                ]
        except OSError as error:
            self._refuse(folder or "/", error)
            return []

    def _is_folder(self, path: str) -> bool:
        try:
            return stat.S_ISDIR(Path(path).stat().st_mode)
        except PermissionError as error:
            self._refuse(path.rpartition("/")[0] or "/", error)
        except OSError:
            pass
        return False

    def _is_excluded(self, name: str) -> bool:
        return any(fnmatch.fnmatchcase(name, pattern) for pattern in self._excluded)

    def _refuse(self, folder: str, error: OSError) -> None:
        self._refused[folder] = error.strerror or str(error)
        if folder not in self._before and not isinstance(error, FileNotFoundError):
            self._before[folder] = self._refused[folder]
            remedy = "give the user of the pipeline the rights to list the folder and to read its files"
            _log.warning(
                "the files of a folder cannot be read; trying again",
                path=readable_name(folder),
                reason=self._refused[folder],
                remedy=remedy if isinstance(error, PermissionError) else "check the folder and its disk",
            )

    def _report_folder(self, pattern: str, *, exists: bool) -> None:
        if exists and pattern in self._missing:
            self._missing.discard(pattern)
            _log.info("the folder of a pattern exists now", pattern=readable_name(pattern))
        elif not exists and pattern not in self._missing:
            self._missing.add(pattern)
            _log.warning(
                "no folder matches a pattern; its files are read as soon as there is one",
                pattern=readable_name(pattern),
                reason=readable_name(reason_of_absence(pattern)),
            )


def literal_pattern(path: str) -> str:
    """Return the pattern that matches this path alone.

    >>> literal_pattern("/srv/data [prod]")
    '/srv/data [[]prod]'
    """
    return re.sub(_MAGIC, lambda sign: f"[{sign[0]}]", path)


def alternatives_of(pattern: str) -> list[str]:
    """Return the patterns that a pattern with `{a,b}` stands for; braces in brackets stand for themselves.

    >>> alternatives_of("{a,b{1,2}}.ndjson")
    ['a.ndjson', 'b1.ndjson', 'b2.ndjson']
    """
    for braces in _BRACES.finditer(pattern):
        if pattern[: braces.start()].endswith(("[", "\\")):
            continue
        before, after = pattern[: braces.start()], pattern[braces.end() :]
        whole = [f"{before}{choice}{after}" for choice in braces[1].split(",")]
        return list(dict.fromkeys(alternative for choice in whole for alternative in alternatives_of(choice)))
    return [pattern]


def reason_of_absence(pattern: str) -> str:
    """Return why no folder matches a pattern: the first of its folders that is not there, or is no folder."""
    place = Path("/")
    for segment in pattern.strip("/").split("/")[:-1]:
        place /= segment
        try:
            is_folder = stat.S_ISDIR(place.stat().st_mode)
        except FileNotFoundError:
            if place.is_symlink():
                return f"{place} is a link that leads to nothing"
            if _MAGIC.search(segment):
                return f"there is no folder {place}"
            remark = "; ~ does not stand for a home folder here" if segment.startswith("~") else ""
            return f"{place} does not exist{remark}"
        except OSError as error:
            return f"{place} cannot be read ({error.strerror})"
        if not is_folder:
            return f"{place} is a file, not a folder"
    return f"{place} cannot be read"


def _fnmatch_pattern(segment: str) -> str:
    """Return a segment of a pattern in the form of Python's `fnmatch`: `[!a]` for `[^a]`, `[*]` for `\\*`."""
    pattern, place = "", 0
    while place < len(segment):
        sign = segment[place]
        end = segment.find("]", place + 2) if sign == "[" else -1
        if sign == "\\" and place + 1 < len(segment):
            pattern += f"[{segment[place + 1]}]"
            place += 2
        elif end > 0:
            pattern += "[" + segment[place + 1 : end + 1].replace("^", "!", 1 if segment[place + 1] == "^" else 0)
            place = end + 1
        else:
            pattern += sign
            place += 1
    return pattern
