"""Finds where the value of each input of a signature is in a request's instance (pure)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

from model_server.signatures.tensor_spec import DTYPES, SignatureSpec, TensorSpec
from monitor_agent.errors import ModelError

INPUT_SEQ, INPUT_MASK, SEGMENT_IDS = "input_seq", "input_mask", "segment_ids"
TEXT, TEXT_A, TEXT_B = "text", "text_a", "text_b"
EXAMPLE = "example"
IDS = (INPUT_SEQ, INPUT_MASK, SEGMENT_IDS)
TEXTS = (TEXT, TEXT_A, TEXT_B)
FIELDS = (*IDS, *TEXTS, EXAMPLE)
INPUTS, FEATURES, SPLITS = "inputs.", "features.", "splits."
USUAL_NAMES = {
    INPUT_SEQ: ("input_word_ids", "input_ids", "input_seq", "token_ids"),
    INPUT_MASK: ("input_mask", "attention_mask"),
    SEGMENT_IDS: ("segment_ids", "token_type_ids", "input_type_ids"),
    TEXT: ("text",),
    TEXT_A: ("text_a",),
    TEXT_B: ("text_b",),
}
"""The names that published BERT encoders use for their inputs."""

EXAMPLE_NAMES = ("example", "examples", "input_example_tensor", "serialized", "serialized_example", "tf_example")
SPLITS_SUFFIX = "_1"
"""TensorFlow's name of the row splits of a ragged input `x` is `x_1`."""


@dataclass(frozen=True)
class InputColumn:
    """An input of a signature, and the place of its value in an instance.

    Attributes
    ----------
    place : a field of the instance, such as `input_seq`, or `inputs.NAME`, `features.NAME`; `splits.NAME` = the row
        splits of the ragged input NAME.
    features : the features that make one row, in the order of the row; empty = the value is at `place`.
    is_ragged : whether it holds the values of rows of different lengths, one after the other.
    """

    tensor: TensorSpec
    place: str
    features: tuple[str, ...] = ()
    is_ragged: bool = False

    @property
    def key(self) -> str:
        """The name in `inputs` or `features`; "" for a field."""
        return self.place.partition(".")[2]

    def __str__(self) -> str:
        """Return the tensor and the place of its value."""
        if self.features:
            return f"{self.tensor} <- {', '.join(FEATURES + name for name in self.features)}"
        return f"{self.tensor} <- {self.place}"


@dataclass(frozen=True)
class InputForm:
    """All inputs of a signature with their places.

    Attributes
    ----------
    signature : name of the signature.
    """

    signature: str
    columns: tuple[InputColumn, ...]

    @cached_property
    def _by_place(self) -> dict[str, InputColumn]:
        return {column.place: column for column in self.columns}

    def column(self, place: str) -> InputColumn | None:
        """Return the column of a place; None if there is none."""
        return self._by_place.get(place)

    @cached_property
    def fields(self) -> tuple[str, ...]:
        """The fields of an instance that it needs, without `inputs` and `features`."""
        return tuple(field for field in FIELDS if self.column(field))

    @cached_property
    def is_padded(self) -> bool:
        """Whether all inputs are rows of ids with a mask: rows of any lengths are padded, and computed together."""
        return self.column(INPUT_MASK) is not None and all(column.place in IDS for column in self.columns)

    @cached_property
    def batch_size(self) -> int | None:
        """The number of instances of each call, if the signature fixes it."""
        sizes = [column.tensor.shape[0] for column in self.columns if column.tensor.shape and not column.is_ragged]
        return next((size for size in sizes if size is not None), None)

    @property
    def rows_shape(self) -> tuple[int | None, int | None]:
        """The shape of the rows of ids of a batch; None = open."""
        return (self.batch_size, self.width)

    @cached_property
    def width(self) -> int | None:
        """The number of ids of each instance, if the signature fixes it."""
        shapes = [column.tensor.instance_shape for column in self.columns if column.place in IDS]
        return next((shape[0] for shape in shapes if shape and shape[0] is not None), None)


def find_form(
    signature: SignatureSpec, places: Mapping[str, str | tuple[str, ...]], subject: object = "the model"
) -> InputForm:
    """Return where the values of a signature's inputs are.

    Parameters
    ----------
    places : what `model.json` says about some inputs, or all of them.
    subject : the folder of the model, for errors.

    Raises
    ------
    ModelError
        If an input cannot be served.
    """
    where = f"{subject}: {signature.name}"
    names = ", ".join(tensor.name for tensor in signature.inputs)
    for name in places:
        if signature.input(name) is None:
            raise ModelError(f"{where} takes {names or 'nothing'}, but no {name}", "correct `inputs` in model.json")
    if not signature.inputs:
        raise ModelError(f"{where} takes nothing", "export a function of at least one tensor")
    ragged = _ragged_names(signature, places)
    usual = _usual_places(signature)
    columns = []
    for tensor in signature.inputs:
        place = places.get(tensor.name) or ragged.get(tensor.name) or usual.get(tensor.name) or INPUTS + tensor.name
        is_ragged = SPLITS + tensor.name in ragged.values() or SPLITS + tensor.name in places.values()
        column = _column(tensor, place, is_ragged=is_ragged)
        if problem := _problem(column):
            raise ModelError(f"{where}: {problem}", _remedy(tensor))
        columns.append(column)
    form = InputForm(signature.name, tuple(columns))
    if problem := _problem_of_all(form):
        raise ModelError(f"{where}: {problem}", "say in `inputs` of model.json which input is which")
    return form


def _column(tensor: TensorSpec, place: str | tuple[str, ...], *, is_ragged: bool) -> InputColumn:
    if isinstance(place, str):
        return InputColumn(tensor, place, is_ragged=is_ragged)
    return InputColumn(tensor, INPUTS + tensor.name, tuple(name.removeprefix(FEATURES) for name in place))


def _ragged_names(signature: SignatureSpec, places: Mapping[str, object]) -> dict[str, str]:
    """Return the place of the inputs that are row splits of another input, by TensorFlow's names."""
    splits = {}
    for tensor in signature.inputs:
        values = signature.input(tensor.name.removesuffix(SPLITS_SUFFIX))
        is_splits = tensor.dtype == "int64" and tensor.shape == (None,) and tensor.name not in places
        if is_splits and values is not None and values is not tensor and values.shape == (None,):
            splits[tensor.name] = SPLITS + values.name
    return splits


def _usual_places(signature: SignatureSpec) -> dict[str, str]:
    """Return the fields of the inputs with usual names; a mask or segments without ids are ordinary inputs."""
    places = {}
    for tensor in signature.inputs:
        for field, names in USUAL_NAMES.items():
            if tensor.name in names and tensor.is_text == (field in TEXTS):
                places[tensor.name] = field
    if INPUT_SEQ not in places.values():
        places = {name: field for name, field in places.items() if field in TEXTS}
    only = signature.inputs[0]
    if len(signature.inputs) == 1 and only.is_text and not places:
        places[only.name] = EXAMPLE if only.name in EXAMPLE_NAMES else TEXT
    return places


def _problem(column: InputColumn) -> str:
    """Return why an input cannot be served; "" if it can."""
    tensor, place = column.tensor, column.place
    if tensor.dtype not in DTYPES:
        return f"{tensor.name} has the type {tensor.dtype}"
    if tensor.shape == ():
        return f"{tensor.name} has no dimension for the instances of a batch"
    dimensions = None if tensor.shape is None else len(tensor.shape)
    if place in IDS:
        expected = 1 if column.is_ragged else 2
        if tensor.is_text:
            return f"{tensor.name} holds text; {place} is a list of whole numbers"
        if dimensions not in (None, expected):
            return f"{tensor.name} has {_dimensions(dimensions or 0)}, {expected} are expected"
    elif place in (*TEXTS, EXAMPLE):
        if not tensor.is_text:
            return f"{tensor.name} holds {tensor.dtype}; {place} is text"
        if tensor.instance_shape not in (None, (), (1,)):
            return f"{tensor.name} takes several texts for an instance"
    elif not place.startswith((INPUTS, FEATURES, SPLITS)) or not column.key:
        return f"{tensor.name} comes from {place}, which is no field of an instance"
    if column.features and tensor.instance_shape not in (None, (len(column.features),), (None,)):
        return f"{tensor.name} does not take {len(column.features)} values for an instance"
    return ""


def _remedy(tensor: TensorSpec) -> str:
    return f'export it again, or write "inputs": {{"{tensor.name}": ...}} into model.json (docs/model-server.md)'


def _problem_of_all(form: InputForm) -> str:
    places = [column.place for column in form.columns]
    if twice := next((place for place in places if places.count(place) > 1), ""):
        return f"{_names(column.tensor for column in form.columns if column.place == twice)} are both {twice}"
    sizes = {column.tensor.shape[0] for column in form.columns if column.tensor.shape and not column.is_ragged}
    if len(sizes - {None}) > 1:
        return "its inputs fix different numbers of instances"
    return ""


def _names(tensors: Iterable[TensorSpec]) -> str:
    return " and ".join(tensor.name for tensor in tensors)


def _dimensions(number: int) -> str:
    return "1 dimension" if number == 1 else f"{number} dimensions"
