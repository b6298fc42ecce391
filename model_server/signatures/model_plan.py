"""Chooses the signatures of a SavedModel that are served, with their inputs and their score (pure)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from model_server.signatures.input_form import IDS, TEXTS, InputColumn, InputForm, find_form
from model_server.signatures.mapping import NO_ACTIVATION, ModelMapping
from model_server.signatures.score_output import ScoreOutput, find_output
from model_server.signatures.tensor_spec import SignatureSpec
from monitor_agent.errors import ModelError

DEFAULT_SIGNATURE = "serving_default"
TEXT_SIGNATURE = "text"
INTERNAL = "__saved_model"


@dataclass(frozen=True)
class ServedSignature:
    """A signature with the places of its inputs, and its output with the score."""

    form: InputForm
    output: ScoreOutput


@dataclass(frozen=True)
class ModelPlan:
    """How a model is served.

    Attributes
    ----------
    served : one or two signatures: the main one, and one that takes raw text.
    """

    served: tuple[ServedSignature, ...]

    @property
    def forms(self) -> tuple[InputForm, ...]:
        """The forms of an instance."""
        return tuple(signature.form for signature in self.served)

    @property
    def kind(self) -> str:
        """The kind of its predictions; "" = only a computed output says it."""
        return self.served[0].output.kind

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of its classes; empty for other kinds."""
        return self.served[0].output.classes

    def with_output(self, output: ScoreOutput) -> ModelPlan:
        """Return the plan with another output of one of its signatures."""
        return ModelPlan(
            tuple(
                replace(entry, output=output) if entry.form.signature == output.signature else entry
                for entry in self.served
            )
        )


def plan(signatures: Sequence[SignatureSpec], mapping: ModelMapping, subject: object = "the model") -> ModelPlan:
    """Return how a model is served.

    `serving_default` is served, else the only signature, else the one that `mapping` names. If that takes token ids,
    and a signature `text` takes text, this one is served, too.

    Raises
    ------
    ModelError
        If no signature, or more than one, can be served; or if its inputs or its score are not clear.
    """
    by_name = {signature.name: signature for signature in signatures if not signature.name.startswith(INTERNAL)}
    main = _main(by_name, mapping, subject)
    form = find_form(main, mapping.inputs, subject)
    served = [ServedSignature(form, find_output(main, mapping, subject))]
    text = by_name.get(TEXT_SIGNATURE)
    if text is not None and text is not main and set(form.fields) & set(IDS) and not mapping.signature:
        text_form = find_form(text, {}, subject)
        if text_form.fields and set(text_form.fields) <= set(TEXTS):
            output = find_output(text, mapping if text.output(mapping.output) else _without_output(mapping), subject)
            served.append(ServedSignature(text_form, output))
    return ModelPlan(tuple(served))


def suggested_entries(plan_of_model: ModelPlan, mapping: ModelMapping) -> dict[str, Any]:
    """Return the entries of `model.json` that say what is served now, whatever was found and not written."""
    main = plan_of_model.served[0]
    output = main.output
    entries: dict[str, Any] = {
        "signature": main.form.signature,
        "inputs": {column.tensor.name: _place(column) for column in main.form.columns},
        "output": output.name,
        "column": output.column,
        "activation": output.activation,
        "kind": output.kind or None,
        "classes": list(output.classes) or None,
    }
    if len(plan_of_model.served) > 1 and not mapping.signature:
        del entries["signature"]  # naming it would leave the signature for text out
    return {name: value for name, value in entries.items() if value not in (None, NO_ACTIVATION)}


def _main(by_name: Mapping[str, SignatureSpec], mapping: ModelMapping, subject: object) -> SignatureSpec:
    names = ", ".join(sorted(by_name))
    if mapping.signature:
        if mapping.signature not in by_name:
            raise ModelError(
                f"{subject} has no signature {mapping.signature}",
                f"write one of {names} into model.json" if names else "export it with a signature",
            )
        return by_name[mapping.signature]
    if DEFAULT_SIGNATURE in by_name:
        return by_name[DEFAULT_SIGNATURE]
    if not by_name:
        raise ModelError(f"{subject} has no signature", "export it with `signatures=`, such as serving_default")
    if len(by_name) > 1:
        raise ModelError(
            f"{subject} has the signatures {names}; it is not clear which one is served",
            f'write one into model.json, such as "signature": "{min(by_name)}"',
        )
    (only,) = by_name.values()
    return only


def _without_output(mapping: ModelMapping) -> ModelMapping:
    return replace(mapping, output="")


def _place(column: InputColumn) -> str | list[str]:
    return [f"features.{name}" for name in column.features] or column.place
