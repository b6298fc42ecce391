"""A pipeline from standard input to standard output, for the tests of `monitor-agent pipeline`."""

from __future__ import annotations

from pathlib import Path

PIPELINE = """
input { stdin { codec => json } }
filter {
  if [a] > 1 { mutate { add_tag => ["big"] } }
  mutate { remove_field => ["@version", "@timestamp", "event", "host"] }
}
output { if "big" in [tags] { stdout { codec => json_lines } } else { stdout { codec => line { format => "%{a}" } } } }
"""


def write_pipeline(folder: Path) -> Path:
    """Make the folder with the pipeline in it, and return it."""
    folder.mkdir()
    (folder / "10-all.conf").write_text(PIPELINE)
    return folder
