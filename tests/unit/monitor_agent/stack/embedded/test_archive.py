"""The server is unpacked once, completely or not at all, and only from the pinned archive."""

from __future__ import annotations

from pathlib import Path

import pytest
from jgo.constants import MAVEN_CENTRAL_URL

from monitor_agent.errors import StackError
from monitor_agent.stack.embedded import archive
from tests.server_archive import VERSION, ignore, write_server_zip


@pytest.fixture
def server_zip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a small archive, whose checksum is pinned."""
    return write_server_zip(tmp_path / "server.zip", monkeypatch)


def test_the_server_is_unpacked_once(tmp_path: Path, server_zip: Path) -> None:
    """The second call finds the folder and fetches nothing; programs can be executed."""
    fetched: list[str] = []

    def fetch(version: str, _folder: Path, _report: archive.Report) -> Path:
        fetched.append(version)
        return server_zip

    folders = [archive.server_folder(VERSION, tmp_path / "cache", ignore, fetch) for _ in range(2)]

    assert folders == [tmp_path / "cache" / f"elasticsearch-{VERSION}"] * 2
    assert fetched == [VERSION]
    assert (folders[0] / "bin" / "elasticsearch").stat().st_mode & 0o777 == 0o755
    assert (folders[0] / "config" / "jvm.options").stat().st_mode & 0o777 == 0o644


def test_another_file_is_refused(tmp_path: Path, server_zip: Path) -> None:
    """A file with another checksum is refused, and the next try fetches again."""
    other = tmp_path / "other.zip"
    other.write_bytes(server_zip.read_bytes() + b"x")
    cache = tmp_path / "cache"

    with pytest.raises(StackError, match=r"other\.zip is not the pinned file"):
        archive.server_folder(VERSION, cache, ignore, lambda *_: other)
    assert not [path for path in cache.iterdir() if path.is_dir()]
    assert archive.server_folder(VERSION, cache, ignore, lambda *_: server_zip).is_dir()


def test_an_interrupted_fetch_leaves_nothing(tmp_path: Path, server_zip: Path) -> None:
    """The next call deletes the files of an interruption or a crash."""
    cache = tmp_path / "cache"
    (cache / f".elasticsearch-{VERSION}-crashed" / "unpacked").mkdir(parents=True)

    def interrupted(_version: str, folder: Path, _report: archive.Report) -> Path:
        folder.mkdir()
        (folder / "half.zip").write_bytes(server_zip.read_bytes()[:50])
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        archive.server_folder(VERSION, cache, ignore, interrupted)
    assert not [path for path in cache.iterdir() if path.is_dir()]


def test_a_full_disk_is_one_line(tmp_path: Path, server_zip: Path) -> None:  # noqa: ARG001  # pins the version
    """The message reports the full disk and what to do."""

    def full(_version: str, _folder: Path, _report: archive.Report) -> Path:
        with Path("/dev/full").open("wb", buffering=0) as stream:
            stream.write(b"x")
        raise AssertionError

    with pytest.raises(StackError, match=r"no space left in .*STACK_CACHE_DIR"):
        archive.server_folder(VERSION, tmp_path / "cache", ignore, full)


def test_no_registry_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If nothing can be fetched, the line names the reason and the path for a copy."""
    for name in ("HTTPS_PROXY", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.setenv("M2_REPO", str(tmp_path / "m2"))

    with pytest.raises(StackError) as caught:
        archive.server_folder(VERSION, tmp_path / "cache", ignore)
    assert str(caught.value).splitlines() == [
        f"Elasticsearch {VERSION} cannot be fetched from {MAVEN_CENTRAL_URL}: the proxy HTTPS_PROXY=http://127.0.0.1:9 "
        "does not answer (Connection refused): check HTTP_PROXY, HTTPS_PROXY and NO_PROXY; or put the archive at "
        f"{tmp_path}/m2/org/elasticsearch/distribution/integ-test-zip/elasticsearch/{VERSION}/"
        f"elasticsearch-{VERSION}.zip"
    ]


def test_a_copy_in_the_users_maven_repository_is_used(
    tmp_path: Path, server_zip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a machine without a registry, the user can put the archive there."""
    for name in ("HTTPS_PROXY", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.setenv("M2_REPO", str(tmp_path / "m2"))
    repository = tmp_path / "m2" / archive.GROUP.replace(".", "/") / archive.ARTIFACT / VERSION
    repository.mkdir(parents=True)
    server_zip.rename(repository / f"elasticsearch-{VERSION}.zip")

    assert (archive.server_folder(VERSION, tmp_path / "cache", ignore) / "bin" / "elasticsearch").is_file()


def test_an_unknown_version_is_refused(tmp_path: Path) -> None:
    """A version without a pinned checksum is refused, and the message names those that have one."""
    with pytest.raises(StackError, match=r"8\.0\.0 is not known .*8\.19\.21 or 9\.5\.0"):
        archive.server_folder("8.0.0", tmp_path, ignore)
