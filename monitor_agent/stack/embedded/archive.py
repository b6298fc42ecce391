"""The unpacked Elasticsearch server: fetched once from Maven Central, checked, kept in the user's cache folder.

The archive is checked against a pinned SHA-512 before anything in it is used, and unpacked into a temporary folder
that is renamed when it is complete: an interrupted fetch never leaves a folder that looks like a server.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import shutil
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

from monitor_agent.errors import StackError
from monitor_agent.extras import EMBEDDED_ELASTICSEARCH, loading
from monitor_agent.files import FileLock
from monitor_agent.http_client.trust import system_certificates
from monitor_agent.stack.embedded.downloads import download_failure

GROUP = "org.elasticsearch.distribution.integ-test-zip"
ARTIFACT = "elasticsearch"
SHA512 = {
    "8.19.21": (
        "cf6b0a93860d329937ae7f913ec5073b0c726c77639764b93fc83a304aa1dd9d"
        "4defcfa2849948eea3b0b47c2065f994908603939fc2a4774c9c4d868c5ec1dd"
    ),
    "9.5.0": (
        "c06bd4ef7691da91052cada7bb255b2d7c48a1422820a8db0e3e3a1ed0dde4e8"
        "d380cdbadeb7029cc56167b9ad3a6d89f6b8edbc48d4b8685d1ab24a7ab17dd5"
    ),
}
TIMEOUT_SECONDS = 30
MIB = 1024 * 1024

Report = Callable[[str], None]
Fetch = Callable[[str, Path, Report], Path]


def server_folder(version: str, cache_dir: Path, report: Report, fetch: Fetch | None = None) -> Path:
    """Return the folder of the unpacked server, fetching it when it is not there yet.

    Parameters
    ----------
    version : one of `SHA512`.
    cache_dir : the server is kept in `<cache_dir>/elasticsearch-<version>`; made when missing.
    report : called with one line for each step.
    fetch : fetches the archive; by default with jgo from Maven Central.

    Raises
    ------
    StackError
        If the version is not in `SHA512`, or the archive cannot be fetched, is not the pinned file, or does not fit on
        the disk.
    """
    if version not in SHA512:
        raise StackError(
            f"Elasticsearch {version} is not known to the embedded stack", f"ELASTIC_VERSION: {' or '.join(SHA512)}"
        )
    folder = cache_dir / f"{ARTIFACT}-{version}"
    if folder.is_dir():
        return folder
    with _disk_errors(cache_dir), _exclusive(cache_dir / f"{folder.name}.lock", report):
        if not folder.is_dir():  # another process may have made it while this one waited for the lock
            _install(version, folder, report, fetch or fetch_with_jgo)
    return folder


def is_fetched(version: str, cache_dir: Path) -> bool:
    """Return whether a server is in the cache folder.

    Parameters
    ----------
    version : one of `SHA512`; empty = any of them.
    """
    return any((cache_dir / f"{ARTIFACT}-{name}").is_dir() for name in ([version] if version else SHA512))


def fetch_with_jgo(version: str, folder: Path, report: Report) -> Path:
    """Return the path of the archive in `folder`, or in the user's own Maven repository if it has it.

    Raises
    ------
    StackError
        If it cannot be fetched.
    MissingPackageError
        If the package that fetches is not installed.
    """
    with loading(EMBEDDED_ELASTICSEARCH):
        import requests
        from jgo.constants import default_maven_repo
        from jgo.maven import MavenContext, PythonResolver
    local = default_maven_repo()
    context = MavenContext(
        resolver=PythonResolver(progress_callback=_progress(report)),
        repo_cache=folder,
        local_repos=[local],
        timeout=TIMEOUT_SECONDS,
    )
    artifact = context.project(GROUP, ARTIFACT).at_version(version).artifact(packaging="zip")
    try:
        with system_certificates():
            path: Path = artifact.resolve()
    except (RuntimeError, requests.RequestException) as error:
        path_in_repository = f"{GROUP.replace('.', '/')}/{ARTIFACT}/{version}/{ARTIFACT}-{version}.zip"
        repository = next(iter(context.remote_repos.values()))
        with system_certificates():
            failure = download_failure(error, f"{repository}/{path_in_repository}")
        raise StackError(
            f"Elasticsearch {version} cannot be fetched from {repository}: {failure.reason}",
            f"{failure.hint}; or put the archive at {local / path_in_repository}".removeprefix("; or "),
        ) from error
    return path


def _install(version: str, folder: Path, report: Report, fetch: Fetch) -> None:
    for left_over in folder.parent.glob(f".{folder.name}-*"):
        shutil.rmtree(left_over, ignore_errors=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        report(f"fetching Elasticsearch {version} (about 120 MiB, once)")
        archive = fetch(version, temporary / "download", report)
        _check(archive, version)
        report(f"unpacking Elasticsearch {version} into {folder}")
        _unpack(archive, temporary / "unpacked")
        _flush_to_disk()
        (temporary / "unpacked" / folder.name).rename(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _check(archive: Path, version: str) -> None:
    digest = hashlib.sha512()
    with archive.open("rb") as stream:
        while chunk := stream.read(MIB):
            digest.update(chunk)
    if digest.hexdigest() != SHA512[version]:
        raise StackError(
            f"{archive.name} is not the pinned file: its SHA-512 is {digest.hexdigest()[:16]}...",
            "it was cut off or changed on its way; run again, and check the proxy or mirror if that does not help",
        )


def _unpack(archive: Path, folder: Path) -> None:
    with zipfile.ZipFile(archive) as stored:
        for entry in stored.infolist():
            path = Path(stored.extract(entry, folder))
            mode = entry.external_attr >> 16
            # An unprivileged account runs the server when root installs it, so everything is readable by all.
            path.chmod(0o755 if path.is_dir() or mode & 0o100 else 0o644)


def _flush_to_disk() -> None:
    # The rename must not reach the disk before the files do, or a power cut leaves a complete name for half a server.
    os.sync()


@contextlib.contextmanager
def _exclusive(path: Path, report: Report) -> Iterator[None]:
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path)
    if not lock.acquire():
        report("waiting for another process that fetches Elasticsearch")
        lock.acquire(wait=True)
    try:
        yield
    finally:
        lock.release()


@contextlib.contextmanager
def _disk_errors(cache_dir: Path) -> Iterator[None]:
    """Turn a refusal of the disk into one line."""
    try:
        yield
    except zipfile.BadZipFile as error:
        raise StackError(f"the archive cannot be unpacked ({error})", "run again to fetch it anew") from error
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StackError(f"no space left in {cache_dir}", "free 500 MiB, or set STACK_CACHE_DIR") from error
        reason = error.strerror or str(error)
        raise StackError(
            f"{cache_dir} cannot be written ({reason})", "set STACK_CACHE_DIR to another folder"
        ) from error


def _progress(report: Report) -> Callable[[str, int], contextlib.AbstractContextManager[Callable[[int], None]]]:
    @contextlib.contextmanager
    def follow(name: str, total: int) -> Iterator[Callable[[int], None]]:
        done, reported = 0, 0

        def advance(count: int) -> None:
            nonlocal done, reported
            done += count
            quarters = done * 4 // total
            if quarters > reported:
                reported = quarters
                report(f"  {name}: {done // MIB} of {total // MIB} MiB")

        yield advance

    return follow
