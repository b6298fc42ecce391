"""Text of a pipeline configuration -> syntax tree; an error names file, line and the expected text."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Collection, Sequence
from functools import cache
from importlib import resources
from typing import Any

from lark import Lark, Token, Transformer, v_args
from lark.exceptions import UnexpectedCharacters, UnexpectedInput, UnexpectedToken, VisitError

from monitor_agent.errors import ConfigurationError
from monitor_agent.logstash.language import syntax
from monitor_agent.logstash.language.brackets import (
    CLOSING,
    BracketFault,
    bracket_fault,
    innermost,
    tokens_before,
)

SECTIONS = ("input", "filter", "output")

_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]*)?")
_BAREWORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]+")
_PRECEDENCE = ("or", "and")
_LONGEST_TOKEN = 40
_MOST_ALTERNATIVES = 6
_TERMINALS = {
    "WORD": "a name or a value",
    "STRING": "a quoted text",
    "LBRACE": '"{"',
    "RBRACE": '"}"',
    "LSQB": '"["',
    "RSQB": '"]"',
    "LPAR": '"("',
    "RPAR": '")"',
    "_ARROW": '"=>"',
    "COMMA": '","',
    "BANG": '"!"',
    "_IF": '"if"',
    "_ELSE": '"else"',
    "_IN": '"in"',
    "_NOT": '"not in"',
    "COMPARE": '"==", "!=", "<", "<=", ">", ">="',
    "MATCH": '"=~", "!~"',
    "BOOLEAN": '"and", "or", "xor", "nand"',
    "SELECTOR": "a field such as [a][b]",
    "REGEX": "a regular expression between slashes",
    "$END": "the end of the file",
}


def parse(text: str, path: str) -> list[syntax.Section]:
    """Return the sections of one text; see `parse_files`.

    Raises
    ------
    ConfigurationError
        If the text is not in the language.

    >>> [section.kind for section in parse("input { stdin { } }", "a.conf")]
    ['input']
    """
    return parse_files([(path, text)])


def parse_files(sources: Sequence[tuple[str, str]]) -> list[syntax.Section]:
    """Return the sections of files, which are read as one text, as Logstash reads them.

    Parameters
    ----------
    sources : path and text of each file.

    Raises
    ------
    ConfigurationError
        If the text is not in the language; it names file, line and column, and a bracket that is not closed.
    """
    places = _Places(sources)
    try:
        tree = _grammar().parse(places.text)
    except UnexpectedInput as error:
        raise _refusal(error, places) from None
    try:
        sections: list[syntax.Section] = _Builder(places).transform(tree)
    except VisitError as error:
        if isinstance(error.orig_exc, ConfigurationError):
            raise error.orig_exc from None
        raise
    except RecursionError:
        raise ConfigurationError("the configuration is nested too deeply", path=sources[0][0]) from None
    return sections


class _Places:
    """Files as one text, with the place of each character."""

    def __init__(self, sources: Sequence[tuple[str, str]]) -> None:
        self.text = "\n".join(text for _, text in sources)
        self._paths = [path for path, _ in sources] or [""]
        self._first_lines = [1]
        for _, text in sources[:-1]:
            self._first_lines.append(self._first_lines[-1] + text.count("\n") + 1)

    def at(self, line: int, column: int) -> syntax.Location:
        """Return the place for a line of the whole text."""
        number = bisect_right(self._first_lines, max(line, 1)) - 1
        return syntax.Location(self._paths[number], line - self._first_lines[number] + 1, column)

    def of(self, offset: int) -> syntax.Location:
        """Return the place of a character."""
        line = self.text.count("\n", 0, offset) + 1
        return self.at(line, offset - self.text.rfind("\n", 0, offset))


@cache
def _grammar() -> Lark:
    text = resources.files(__package__).joinpath("grammar.lark").read_text(encoding="utf-8")
    return Lark(text, parser="lalr", propagate_positions=True)


def _refusal(error: UnexpectedInput, places: _Places) -> ConfigurationError:
    if isinstance(error, UnexpectedToken):
        expected, actual = error.accepts or error.expected, repr(str(error.token))
        offset = len(places.text) if error.token.type == "$END" else error.pos_in_stream
    elif isinstance(error, UnexpectedCharacters):
        expected, offset = error.allowed or set(), error.pos_in_stream
        actual = repr(places.text[offset or 0])
    else:
        expected, actual, offset = set(getattr(error, "expected", ())), "", len(places.text)
    offset = len(places.text) if offset is None else offset
    text, lacks_brace = places.text, _is_bare_entry(places.text, offset)
    fault = bracket_fault(text)
    if fault is not None:
        earlier = fault.surplus and isinstance(error, UnexpectedToken) and offset < fault.offset
        if not (earlier and ("LBRACE" in expected or lacks_brace)):
            return _bracket_refusal(fault, places)
        expected = {"LBRACE"}  # with it, the bracket that is one too many has its partner
    around = innermost(text, offset)
    hint = f'inside the "{around.text}" at {_where(around, places)}' if around else ""
    actual = "the end of the file" if offset == len(text) else actual
    place = _after(text, offset)
    if lacks_brace:
        expected, place = {"LBRACE"}, f" before {tokens_before(text, offset)[0]}"
    return places.of(offset).error(
        f"expected {_alternatives(expected)}{place}, found {actual}", _correction(text, offset) or hint
    )


def _alternatives(expected: Collection[str]) -> str:
    """Return the terminals that may stand at a place, for a message."""
    if len(expected) > _MOST_ALTERNATIVES:  # after the first value of a condition
        return 'a comparison such as "==", or "{"'
    return " or ".join(sorted({_TERMINALS.get(name, name) for name in expected})) or "something else"


def _is_bare_entry(text: str, offset: int) -> bool:
    """Return whether an arrow follows the value of an option: the value was meant to be the key in a hash."""
    return text.startswith("=>", offset) and tokens_before(text, offset)[1:2] == ["=>"]


def _after(text: str, offset: int) -> str:
    """Return the text before a place, for a message; empty if it is long or there is none."""
    last = next(iter(tokens_before(text, offset)), "")
    is_name = last[:1].isalnum() or last[:1] in tuple("'\"_")
    return f" after {last}" if is_name and len(last) <= _LONGEST_TOKEN and "\n" not in last else ""


def _correction(text: str, offset: int) -> str:
    """Return how to correct some common mistakes; empty if the text at the place is none of them."""
    before = tokens_before(text, offset)
    if _is_bare_entry(text, offset):
        return f'write "{{" before {before[0]}: keys and values stand in braces'
    if text.startswith(",", offset) and "=>" in before[1:2]:
        return "remove the comma: options are separated by blanks"
    if re.match(r"=(?![=~>])", text[offset:]):
        return 'write "=>" between the name of an option and its value, and "==" in a condition'
    if text.startswith("\ufeff", offset):
        return "save the file without a byte order mark"
    if text.startswith("}", offset) and before[2:3] == ["=>"] and all(word[0].isalnum() for word in before[:2]):
        return f'put the value in quotation marks: "{before[1]} {before[0]}"'
    return ""


def _bracket_refusal(fault: BracketFault, places: _Places) -> ConfigurationError:
    where = _where(fault, places)
    if fault.surplus:
        message = f'a "{fault.text}" too much'
        if fault.closed < 0:
            return places.of(fault.offset).error(message, "remove it")
        first = _text_of(places.of(fault.closed))
        name = f" of {fault.chain[0]}" if fault.chain else ""
        return places.of(fault.offset).error(f"{message}: the part{name} ends at {first}", "remove one of the two")
    if fault.text not in CLOSING and (word := re.search(r"[\w./-]+$", places.text[: fault.offset])):
        opening = f"write {fault.text} before {word[0]}"
        return places.of(fault.offset).error(f"{word[0]}{fault.text} has no quotation mark at its beginning", opening)
    closing = CLOSING.get(fault.text, fault.text)
    noticed = places.of(min(fault.noticed, len(places.text)))
    until = "the end of the file" if fault.noticed >= len(places.text) else "here"
    return noticed.error(f'the "{fault.text}" at {where} is not closed', f'write "{closing}" before {until}')


def _where(fault: BracketFault, places: _Places) -> str:
    chain = f" ({' > '.join(fault.chain)})" if fault.chain else ""
    return f"{_text_of(places.of(fault.offset))}{chain}"


def _text_of(at: syntax.Location) -> str:
    return f"{at.path}:{at.line}:{at.column}"


@v_args(meta=True)
class _Builder(Transformer[Token, Any]):
    """Turns lark's tree into the syntax tree, bottom up."""

    def __init__(self, places: _Places) -> None:
        super().__init__()
        self._places = places

    def _at(self, meta: Any) -> syntax.Location:
        return self._places.at(getattr(meta, "line", 1), getattr(meta, "column", 1))

    def start(self, _meta: Any, children: list[Any]) -> list[syntax.Section]:
        return children

    def section(self, meta: Any, children: list[Any]) -> syntax.Section:
        kind, body = str(children[0]), children[1]
        if kind not in SECTIONS:
            raise self._at(meta).error(f"unknown section {kind!r}", f"expected {' or '.join(SECTIONS)}")
        return syntax.Section(kind, body, self._at(meta))

    def body(self, _meta: Any, children: list[Any]) -> tuple[syntax.Node, ...]:
        return tuple(children)

    def plugin(self, meta: Any, children: list[Any]) -> syntax.Plugin:
        return syntax.Plugin(children[0], tuple(children[1:]), self._at(meta))

    def codec(self, meta: Any, children: list[Any]) -> syntax.Plugin:
        return syntax.Plugin(str(children[0]), tuple(children[1:]), self._at(meta))

    def attribute(self, meta: Any, children: list[Any]) -> syntax.Attribute:
        return syntax.Attribute(children[0], children[1], self._at(meta))

    def name(self, _meta: Any, children: list[Any]) -> str:
        token = children[0]
        return str(token)[1:-1] if token.type == "STRING" else str(token)

    def word(self, meta: Any, children: list[Any]) -> Any:
        text = str(children[0])
        if _NUMBER.fullmatch(text):
            return self.number(meta, children)
        if not _BAREWORD.fullmatch(text):
            raise self._at(meta).error(f"{text!r} is neither a number nor a word", "put it in quotes")
        return text

    def number(self, meta: Any, children: list[Any]) -> int | float:
        text = str(children[0])
        if not _NUMBER.fullmatch(text):
            raise self._at(meta).error(f"{text!r} is no number", "put a text in quotes")
        return float(text) if "." in text else int(text)

    def string(self, _meta: Any, children: list[Any]) -> str:
        return str(children[0])[1:-1]

    def array(self, _meta: Any, children: list[Any]) -> list[Any]:
        return [child for child in children if child is not None]

    def values(self, _meta: Any, children: list[Any]) -> list[Any]:
        return children

    def entry(self, meta: Any, children: list[Any]) -> tuple[Any, Any, syntax.Location]:
        return children[0], children[1], self._at(meta)

    def hash(self, _meta: Any, children: list[Any]) -> dict[Any, Any]:
        entries: dict[Any, Any] = {}
        for key, value, at in children:
            if key in entries:
                raise at.error(f"{key!r} is given twice in one hash", "keep one of them")
            entries[key] = value
        return entries

    def selector(self, meta: Any, children: list[Any]) -> syntax.Selector:
        return syntax.Selector(str(children[0]), self._at(meta))

    def regex(self, meta: Any, children: list[Any]) -> syntax.Pattern:
        return syntax.Pattern(str(children[0])[1:-1], self._at(meta))

    def branch(self, meta: Any, children: list[Any]) -> syntax.Branch:
        arms = [syntax.Arm(children[0], children[1]), *children[2:]]
        for arm in arms[:-1]:
            if arm.condition is None:
                raise self._at(meta).error("else if after else", "put the else last")
        return syntax.Branch(tuple(arms), self._at(meta))

    def else_if(self, _meta: Any, children: list[Any]) -> syntax.Arm:
        return syntax.Arm(children[0], children[1])

    def else_body(self, _meta: Any, children: list[Any]) -> syntax.Arm:
        return syntax.Arm(None, children[0])

    def negated(self, meta: Any, children: list[Any]) -> syntax.Negation:
        operand = children[0]
        if isinstance(operand, syntax.Selector):
            operand = syntax.Truth(operand, operand.at)
        self._refuse_literals([operand])
        return syntax.Negation(operand, self._at(meta))

    def comparison(self, meta: Any, children: list[Any]) -> syntax.Comparison:
        return syntax.Comparison(str(children[1]), children[0], children[2], self._at(meta))

    match = comparison

    def contained(self, meta: Any, children: list[Any]) -> syntax.Comparison:
        return syntax.Comparison("in", children[0], children[1], self._at(meta))

    def not_contained(self, meta: Any, children: list[Any]) -> syntax.Negation:
        return syntax.Negation(self.contained(meta, children), self._at(meta))

    def truth(self, meta: Any, children: list[Any]) -> syntax.Truth | syntax.Literal:
        value = children[0]
        if isinstance(value, syntax.Selector):
            return syntax.Truth(value, self._at(meta))
        return syntax.Literal(value.text if isinstance(value, syntax.Pattern) else value, self._at(meta))

    def _refuse_literals(self, operands: list[syntax.Condition]) -> None:
        """Refuse a value alone beside "and", "or", "!": Logstash takes it only as the whole condition."""
        for operand in operands:
            if isinstance(operand, syntax.Literal):
                raise operand.at.error(
                    f"{operand.value!r} alone is no condition beside others", "compare a field such as [a] with it"
                )

    def condition(self, meta: Any, children: list[Any]) -> syntax.Condition:
        operands, operators = children[::2], [str(token) for token in children[1::2]]
        if operators:
            self._refuse_literals(operands)
        if len(operators) > 1 and set(operators) - set(_PRECEDENCE):
            raise self._at(meta).error("xor and nand join two conditions only", "use parentheses")
        if operators and operators[0] not in _PRECEDENCE:
            return syntax.Junction(operators[0], tuple(operands), self._at(meta))
        return _joined(operands, operators, self._at(meta))


def _joined(operands: list[Any], operators: list[str], at: syntax.Location) -> syntax.Condition:
    """Return the conditions as Logstash joins them: "and" comes before "or".

    When "or" follows, Logstash closes only one waiting "and": `a and b and c or d` is `a and (b and c or d)`.
    """
    ordered: list[Any] = [operands[0]]
    waiting: list[str] = []
    for operator, operand in zip(operators, operands[1:], strict=True):
        if waiting and _PRECEDENCE.index(waiting[-1]) > _PRECEDENCE.index(operator):
            ordered.append(waiting.pop())
        waiting.append(operator)
        ordered.append(operand)
    stack: list[syntax.Condition] = []
    for item in [*ordered, *reversed(waiting)]:
        if isinstance(item, str):
            right, left = stack.pop(), stack.pop()
            stack.append(syntax.Junction(item, (*_operands(left, item), *_operands(right, item)), at))
        else:
            stack.append(item)
    return stack[0]


def _operands(condition: syntax.Condition, operator: str) -> tuple[syntax.Condition, ...]:
    if isinstance(condition, syntax.Junction) and condition.operator == operator and operator in ("and", "or"):
        return condition.operands
    return (condition,)
