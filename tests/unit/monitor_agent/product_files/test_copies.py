"""`pipeline files` and `kibana files`: copies to edit, and the rule which files are used."""

from __future__ import annotations

from pathlib import Path

import pytest

from monitor_agent import cli, product_files
from monitor_agent.alerting.definitions import load_alerts
from monitor_agent.kibana.folder import read_alerts, read_objects
from monitor_agent.logstash.compiler import read_sources
from monitor_agent.product_files.copies import compare
from monitor_agent.settings import load

ROOT = Path(__file__).parents[4]


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run in a folder that holds neither pipeline files nor saved objects."""
    for name in ("KIBANA_FOLDER", "PIPELINE_CONFIG", "MONITOR_ALERTS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)


def contents(folder: Path) -> dict[str, bytes]:
    """Return path below the folder -> content of every file of the product."""
    files = [path for path in folder.rglob("*") if path.is_file() and path.name != "kustomization.yaml"]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


@pytest.mark.parametrize(
    ("command", "sources"),
    [("pipeline", ("logstash/pipeline", "logstash/config")), ("kibana", ("kibana",))],
)
def test_a_copy_has_every_file_and_says_how_to_use_it(
    command: str, sources: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    """The copy equals the files of the repository; the printed settings make the product read the copy."""
    out = Path("my files")
    expected = {
        f"{Path(source).name}/{name}" if len(sources) > 1 else name: content
        for source in sources
        for name, content in contents(ROOT / source).items()
    }

    status = cli.main([command, "files", "--out", str(out)])
    printed = capsys.readouterr().out

    assert status == 0
    assert contents(out) == expected
    assert not [path for path in out.rglob("*") if path.is_symlink()]
    for line in printed.split("to use them:\n")[1].splitlines():
        name, _, path = line.strip().removeprefix("export ").partition("=")
        assert Path(path.strip("'")).exists(), name
        loaded = load({name: path.strip("'")})
        assert path.strip("'") in (loaded.pipeline.config, loaded.kibana.folder, loaded.agent.alerts)


def test_a_second_copy_changes_nothing_and_an_edited_file_is_kept(capsys: pytest.CaptureFixture[str]) -> None:
    """Without --overwrite, one edited file stops the copy, and no other file is written either."""
    assert cli.main(["pipeline", "files", "--out", "copy"]) == 0
    assert cli.main(["pipeline", "files", "--out", "copy"]) == 0
    assert "copy has these files already" in capsys.readouterr().out
    edited = Path("copy/pipeline/30-check.conf")
    edited.write_text("filter { }\n")
    Path("copy/pipeline/10-input.conf").unlink()

    assert cli.main(["pipeline", "files", "--out", "copy"]) == 1

    error = capsys.readouterr().err
    assert error == (
        "error: copy/pipeline/30-check.conf would be replaced: name another --out, or replace them with --overwrite\n"
    )
    assert edited.read_text() == "filter { }\n"
    assert not Path("copy/pipeline/10-input.conf").exists()


def test_overwrite_replaces_what_differs_and_warns_of_what_is_left(capsys: pytest.CaptureFixture[str]) -> None:
    """A file that this release does not have stays, with a warning: the pipeline would run it."""
    cli.main(["pipeline", "files", "--out", "copy"])
    Path("copy/pipeline/30-check.conf").write_text("filter { }\n")
    Path("copy/pipeline/35-old.conf").write_text("filter { }\n")
    capsys.readouterr()

    assert cli.main(["pipeline", "files", "--out", "copy", "--overwrite"]) == 0

    printed = capsys.readouterr()
    assert "replaced: copy/pipeline/30-check.conf\n" in printed.out
    assert "copy/pipeline/35-old.conf" in printed.err
    assert Path("copy/pipeline/35-old.conf").is_file()
    assert compare(product_files.LOGSTASH, Path("copy")).changed == ()


def test_a_folder_that_cannot_be_written_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    """A file in the place of the folder is named."""
    Path("copy").write_text("")

    assert cli.main(["kibana", "files", "--out", "copy"]) == 1
    assert capsys.readouterr().err == ("error: copy/alerts.toml cannot be written (File exists): name another --out\n")


def test_the_product_is_used_without_a_setting_and_the_working_folder_never() -> None:
    """Files in the working folder that have the names of the repository's folders do not win."""
    for name in ("logstash/pipeline", "kibana/objects"):
        Path(name).mkdir(parents=True)
    Path("logstash/pipeline/10-input.conf").write_text("input { stdin { } }\n")
    Path("kibana/alerts.toml").write_text("")

    loaded = load({})

    assert [Path(name).name for name, _ in read_sources(loaded.pipeline.config)] == [
        path.name for path in sorted((ROOT / "logstash/pipeline").glob("*.conf"))
    ]
    assert len(read_objects(Path(loaded.kibana.folder))) == len(list((ROOT / "kibana/objects").rglob("*.json")))
    assert load_alerts(loaded.agent.alerts) == read_alerts(ROOT / "kibana")
    assert load({"PIPELINE_CONFIG": "logstash/pipeline"}).pipeline.config == "logstash/pipeline"
    assert load({"KIBANA_FOLDER": "kibana"}).kibana.folder == "kibana"
    assert load({"PIPELINE_CONFIG": "", "KIBANA_FOLDER": ""}).pipeline.config == loaded.pipeline.config


def test_every_file_in_the_room_is_a_link_to_the_one_copy_in_the_repository() -> None:
    """Each folder is a relative link to a folder beside the packages, so nothing is stored twice."""
    links = {path.relative_to(product_files.ROOM).as_posix(): path for path in room_links()}

    assert {name: path.resolve().relative_to(ROOT).as_posix() for name, path in links.items()} == {
        "kibana": "kibana",
        "logstash/config": "logstash/config",
        "logstash/pipeline": "logstash/pipeline",
    }
    assert not any(path.readlink().is_absolute() for path in links.values())
    assert product_files.are_sources()


def room_links() -> list[Path]:
    """Return the links in the room."""
    return [path for path in product_files.ROOM.rglob("*") if path.is_symlink()]
