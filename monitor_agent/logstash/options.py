"""Options of plugins: which ones exist or are required, and the conversion of values to their types."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from monitor_agent.errors import suggestion
from monitor_agent.logstash.language import syntax
from monitor_agent.logstash.language.variables import substitute
from monitor_agent.logstash.plugin import Codec, PluginOption, PluginSpec

_EVERYWHERE = (
    PluginOption("id"),
    PluginOption("enable_metric", "boolean", default=True),
    PluginOption("ecs_compatibility", choices=("v8",), default="v8"),
)
_COMMON = {
    "input": (PluginOption("add_field", "hash"), PluginOption("tags", "array"), PluginOption("type")),
    "filter": (
        PluginOption("add_field", "hash"),
        PluginOption("remove_field", "array"),
        PluginOption("add_tag", "array"),
        PluginOption("remove_tag", "array"),
        PluginOption("periodic_flush", "boolean", default=False),
    ),
    "output": (),
    "codec": (),
}
_KINDS = {
    "string": "a text",
    "password": "a text",
    "number": "a number",
    "duration": "seconds, or a text such as '500 ms' or '2 weeks'",
    "boolean": "true or false",
    "array": "a list such as [a, b]",
    "hash": "a hash such as { a => b }",
    "codec": "a codec such as json",
    "codecs": "a hash of names of codecs",
}

_UNIT_SECONDS = {
    unit: seconds
    for units, seconds in (
        (("us", "usec", "usecs"), 1e-6),
        (("ms", "msec", "msecs"), 1e-3),
        (("s", "sec", "second", "seconds"), 1.0),
        (("m", "min", "minute", "minutes"), 60.0),
        (("h", "hour", "hours"), 3600.0),
        (("d", "day", "days"), 86_400.0),
        (("w", "week", "weeks"), 604_800.0),
    )
    for unit in units
}
_DURATION = re.compile(rf"(\d+(?:\.\d+)?) ?({'|'.join(sorted(_UNIT_SECONDS, key=len, reverse=True))})")

CodecMaker = Callable[[syntax.Plugin], Codec]


def configure(
    spec: PluginSpec, node: syntax.Plugin, variables: Mapping[str, str], make_codec: CodecMaker
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the plugin's specific options, with defaults, and the common options that are written.

    Raises
    ------
    ConfigurationError
        For an unknown option, a value of another type, or a missing option, with the place.
    """
    common = {option.name: option for option in (*_EVERYWHERE, *_COMMON[spec.kind])}
    specific = {option.name: option for option in spec.options}
    written: dict[str, Any] = {}
    for attribute in node.attributes:
        option = specific.get(attribute.name) or common.get(attribute.name)
        if option is None:
            raise _unknown(spec, attribute, {**common, **specific})
        value = substitute(attribute.value, variables, attribute.at)
        converted = _convert(option, value, attribute.at, make_codec)
        written[option.name] = _joined(option, written, converted, attribute.at)
    for option in spec.options:
        if option.required and option.name not in written:
            raise node.at.error(f"the {spec.kind} {spec.name} needs the option {option.name!r}", _KINDS[option.kind])
    options = {
        name: written[name] if name in written else _default(option, node.at, make_codec)
        for name, option in specific.items()
    }
    return options, {name: value for name, value in written.items() if name not in specific}


def _default(option: PluginOption, at: syntax.Location, make_codec: CodecMaker) -> Any:
    if option.kind == "codec" and option.default is not None:
        return make_codec(syntax.Plugin(option.default, (), at))
    if option.kind == "codecs":
        return _codecs(option.default, at, make_codec)
    return option.default


def _unknown(spec: PluginSpec, attribute: syntax.Attribute, valid: Mapping[str, PluginOption]) -> Exception:
    message = f"the {spec.kind} {spec.name} has no option {attribute.name!r}"
    return attribute.at.error(message, suggestion(attribute.name, valid))


def _joined(option: PluginOption, written: Mapping[str, Any], value: Any, at: syntax.Location) -> Any:
    """Return `value` joined with the value of an earlier attribute of the same name."""
    if option.name not in written:
        return value
    before = written[option.name]
    if option.kind == "array":
        return [*before, *value]
    if option.kind != "hash":
        raise at.error(f"{option.name!r} is given twice", "keep one of them")
    merged = dict(before)
    for key, item in value.items():
        merged[key] = [*_listed(merged[key]), *_listed(item)] if key in merged else item
    return merged


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _convert(option: PluginOption, value: Any, at: syntax.Location, make_codec: CodecMaker) -> Any:
    converted: Any
    if option.kind == "codec":
        node = syntax.Plugin(value, (), at) if isinstance(value, str) else value
        if isinstance(node, syntax.Plugin):
            return make_codec(node)
        converted = None
    elif option.kind == "codecs":
        converted = _codecs(_hash(value), at, make_codec)
    else:
        converted = _CONVERTERS[option.kind](value)
    if converted is None:
        raise at.error(f"{option.name!r} needs {_KINDS[option.kind]}", f"found {_described(value)}")
    if option.choices and converted not in option.choices:
        raise at.error(f"{option.name!r} cannot be {_described(value)}", f"use one of {', '.join(option.choices)}")
    return converted


def _codecs(names: Mapping[str, Any] | None, at: syntax.Location, make_codec: CodecMaker) -> dict[str, Codec] | None:
    if names is None or not all(isinstance(name, str) for name in names.values()):
        return None
    return {key: make_codec(syntax.Plugin(name, (), at)) for key, name in names.items()}


def _described(value: Any) -> str:
    return value.name + " { }" if isinstance(value, syntax.Plugin) else repr(value)


def _single(value: Any) -> Any:
    return value[0] if isinstance(value, list) and len(value) == 1 else value


def _string(value: Any) -> str | None:
    value = _single(value)
    return value if isinstance(value, str) else None


def _number(value: Any) -> int | float | None:
    value = _single(value)
    if isinstance(value, str):
        try:
            return float(value) if "." in value else int(value)
        except ValueError:
            return None
    return value if isinstance(value, (int, float)) else None


def _duration(value: Any) -> float | None:
    """Return seconds."""
    number = _number(value)
    if number is not None:
        return float(number)
    match = _DURATION.fullmatch(value) if isinstance(value, str) else None
    return float(match[1]) * _UNIT_SECONDS[match[2]] if match else None


def _boolean(value: Any) -> bool | None:
    value = _single(value)
    return {"true": True, "false": False}.get(value) if isinstance(value, str) else None


def _array(value: Any) -> list[Any] | None:
    return None if isinstance(value, (dict, syntax.Plugin)) else _listed(value)


def _hash(value: Any) -> dict[str, Any] | None:
    """Return a hash; a list of names and values in turn is the old notation."""
    if isinstance(value, list) and len(value) % 2 == 0:
        return {str(key): item for key, item in zip(value[::2], value[1::2], strict=True)}
    return {str(key): item for key, item in value.items()} if isinstance(value, dict) else None


_CONVERTERS: dict[str, Callable[[Any], Any]] = {
    "string": _string,
    "password": _string,
    "number": _number,
    "duration": _duration,
    "boolean": _boolean,
    "array": _array,
    "hash": _hash,
}
