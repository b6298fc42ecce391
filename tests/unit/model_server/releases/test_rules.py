"""The file of rules: what it may say, and who gets which version."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from model_server.releases.rules import ModelRules, parse_rules, read_rules
from monitor_agent.errors import SettingsError

RULES = """
[models.click]
versions = "latest 2"
labels = {stable = "2", canary = "4"}
shadow = ["5"]
split = {stable = 90, canary = 10}
"""


def test_a_file_names_versions_labels_shadows_and_splits(tmp_path: Path) -> None:
    """Versions that labels, shadows and splits name are loaded beside those of the policy."""
    (tmp_path / "models.toml").write_text(RULES)

    rules = read_rules(tmp_path / "models.toml")["click"]

    assert rules.choose(["1", "2", "3", "4", "5", "6"]) == ("2", "4", "5", "6")
    assert rules.split == {"stable": 0.9, "canary": 0.1}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("models = 1", "models is not a table"),
        ("[model.click]", "model is not a table [models.NAME]"),
        ("[models.click", "cannot be read"),
        ("models.click = 1", "models.click is not a table"),
        ("[models.click]\nversion = 1", "models.click.version is unknown"),
        ("[models.click]\nversions = 3", "versions is 3: write"),
        ("[models.click]\nversions = 'latest 0'", "versions is 'latest 0'"),
        ("[models.click]\nversions = []", "versions is []"),
        ("[models.click]\nversions = [3]", "versions is 3: write a text"),
        ("[models.click]\nlabels = ['stable']", "labels is ['stable']"),
        ("[models.click]\nlabels = {stable = 3}", "labels.stable is 3"),
        ("[models.click]\nlabels = {stable = 'all'}", "stands for all versions"),
        ("[models.click]\nlabels = {stable = 'canary', canary = '3'}", "labels.stable is 'canary'"),
        ("[models.click]\nsplit = {stable = 'much'}", "split.stable is 'much'"),
        ("[models.click]\nsplit = {stable = -1}", "split.stable is -1"),
        ("[models.click]\nsplit = {stable = nan}", "split.stable is nan"),
        ("[models.click]\nsplit = {stable = 0}", "split has no share above 0"),
        ("[models.click]\nsplit_by = 'item'", "split_by is 'item'"),
        ("[models.click]\ndefault = '3'\nshadow = ['3']", "shadow: 3 answers requests"),
        ("[models.click]\nlabels = {stable = '3'}\nsplit = {stable = 1}\nshadow = ['3']", "shadow: 3 answers"),
    ],
)
def test_a_malformed_file_is_refused(tmp_path: Path, text: str, reason: str) -> None:
    """One line names the place and what to write."""
    (tmp_path / "models.toml").write_text(text)

    with pytest.raises(SettingsError) as refused:
        read_rules(tmp_path / "models.toml")

    assert reason in str(refused.value)


def rules_of(**entries: Any) -> ModelRules:
    return parse_rules(entries, "here")


def test_a_split_follows_its_shares_and_keeps_each_person() -> None:
    """Of 20,000 people, a tenth is a canary; nobody changes the version when the canary grows, but to it."""
    small = rules_of(split={"stable": 90, "canary": 10})
    large = rules_of(split={"stable": 50, "canary": 50})
    people = [f"user-{number}" for number in range(20_000)]

    before = {person: small.assign("click", person, "s", "r") for person in people}
    after = {person: large.assign("click", person, "other", "r2") for person in people}

    counts = Counter(assignment.name for assignment in before.values() if assignment)
    assert 0.09 < counts["canary"] / len(people) < 0.11
    assert before == {person: small.assign("click", person, "s2", "r2") for person in people}
    canaries = [person for person, assignment in before.items() if assignment and assignment.name == "canary"]
    assert all((assignment := after[person]) and assignment.name == "canary" for person in canaries)
    assert {(assignment.unit, assignment.propensity) for assignment in after.values() if assignment} == {("user", 0.5)}


def test_a_split_knows_a_person_by_user_then_by_session_then_by_the_request() -> None:
    """`split_by` says which comes first."""
    by_user, by_session = rules_of(split={"1": 1, "2": 1}), rules_of(split={"1": 1, "2": 1}, split_by="session")

    assert [
        assignment.unit
        for assignment in (
            by_user.assign("click", "u", "s", "r"),
            by_user.assign("click", "", "s", "r"),
            by_session.assign("click", "u", "s", "r"),
            by_session.assign("click", "u", "", "r"),
            by_user.assign("click", "", "", "r"),
        )
        if assignment
    ] == ["user", "session", "session", "user", "request"]
    assert rules_of().assign("click", "u", "s", "r") is None
