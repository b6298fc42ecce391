"""The reference pages agree with the code."""

from __future__ import annotations

from pathlib import Path

import pytest

from monitor_agent.cli import _reference_pages as reference
from monitor_agent.contracts.catalogue import CONTRACTS
from monitor_agent.contracts.feedback import FEEDBACK
from monitor_agent.contracts.index_contract import IndexContract
from monitor_agent.contracts.kinds import KINDS, PredictionKind
from monitor_agent.contracts.prediction import PREDICTIONS
from monitor_agent.pipeline.version_comparison import CAUSAL

DOCS = Path(__file__).parents[2] / "docs"


@pytest.mark.parametrize("name", sorted(reference.pages()))
def test_a_generated_page_is_up_to_date(name: str) -> None:
    """`monitor-agent docs` would change nothing."""
    assert (DOCS / name).read_text(encoding="utf-8") == reference.pages()[name]


@pytest.mark.parametrize("contract", CONTRACTS, ids=lambda contract: contract.name)
def test_a_sample_document_has_only_fields_of_its_contract(contract: IndexContract) -> None:
    """Every field of the sample is in the contract, or below an object that clients fill."""
    open_objects = {name for name, entry in contract.fields.items() if entry.type in {"object", "flattened"}}

    unknown = {
        name
        for name in flat(contract.sample)
        if name not in contract.fields and not any(name.startswith(f"{parent}.") for parent in open_objects)
    }
    assert unknown == set()


@pytest.mark.parametrize("contract", CONTRACTS, ids=lambda contract: contract.name)
def test_every_field_says_what_it_means(contract: IndexContract) -> None:
    """No field is without its help text."""
    assert [name for name, entry in contract.fields.items() if not entry.help] == []


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_the_samples_of_a_kind_fit_the_contracts(kind: PredictionKind) -> None:
    """The sample has every required field, and feedback has the field that tells the truth."""
    prediction = {f"prediction.{name}" for name in kind.sample}
    feedback = {f"feedback.{name}" for name in kind.feedback_sample}

    assert set(kind.required) <= prediction <= set(PREDICTIONS.fields)
    assert {"feedback.type", kind.truth} == feedback <= set(FEEDBACK.fields)
    assert set(kind.optional) <= set(PREDICTIONS.fields)


def test_the_page_about_the_agent_shows_the_sentence_that_compare_prints() -> None:
    """The example of the comparison ends with the warning of the code."""
    assert CAUSAL in (DOCS / "agent.md").read_text(encoding="utf-8")


def flat(document: object, prefix: str = "") -> list[str]:
    """Return the dotted names of a document's leaves."""
    if not isinstance(document, dict):
        return [prefix]
    return [name for key, value in document.items() for name in flat(value, f"{prefix}.{key}" if prefix else str(key))]
