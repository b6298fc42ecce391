"""The filter `fingerprint`: a hash of fields, such as for a document's id."""

from __future__ import annotations

import base64
import hashlib
import hmac
import ipaddress
import unicodedata
import uuid
from collections.abc import Callable
from typing import Any

from monitor_agent.logstash.decoration import decoration
from monitor_agent.logstash.events.values import ruby_text
from monitor_agent.logstash.filters.murmur3 import murmur3_32
from monitor_agent.logstash.language.field_references import FieldReference
from monitor_agent.logstash.language.sprintf import static_reference
from monitor_agent.logstash.plugin import Event, PipelineContext, PluginConfig, PluginOption, PluginSpec

Hash = Callable[[Any], Any]

DIGESTS = ("SHA1", "SHA256", "SHA384", "SHA512", "MD5")
METHODS = (*DIGESTS, "MURMUR3", "IPV4_NETWORK", "UUID", "PUNCTUATION")
DEFAULT_TARGET = "[event][hash]"


class FingerprintFilter:
    """Puts a hash into `target`: of all sources joined, or of the last source."""

    def __init__(self, config: PluginConfig, _context: PipelineContext) -> None:
        options, at = config.options, config.at
        self._sources = [static_reference(name, at) for name in options["source"]]
        self._target = static_reference(options["target"], at)
        self._method: str = options["method"]
        self._all: bool = options["concatenate_all_fields"]
        self._joined: bool = options["concatenate_sources"] or self._all
        if self._joined or self._method == "PUNCTUATION":
            self._sources.sort(key=lambda source: source.text)
        self._hash = _hash_of(config)
        self._decorate = decoration(config)

    def filter(self, event: Event) -> bool:
        """Return True; the target is set if a source is there."""
        if self._method == "UUID":
            self._target.set(event, str(uuid.uuid4()))
        elif self._joined and self._method != "PUNCTUATION":
            self._target.set(event, self._hash(self._concatenated(event)))
        else:
            for source in self._sources:
                self._set_hash(event, source)
        self._decorate(event)
        return True

    def _set_hash(self, event: Event, source: FieldReference) -> None:
        value = source.get(event)
        if type(value) is str:
            self._target.set(event, self._hash(value))
        elif type(value) is list:
            self._target.set(event, [self._hash(_sorted(item)) for item in value])
        elif value is not None or source.has(event):
            self._target.set(event, self._hash(_sorted(value)))

    def _concatenated(self, event: Event) -> str:
        if self._all:
            pairs = [(name, event[name]) for name in sorted(event) if name != "@metadata"]
        else:
            pairs = [(source.text, source.get(event)) for source in self._sources]
        return "".join(f"|{name}|{ruby_text(_sorted(value))}" for name, value in pairs) + "|"


def _hash_of(config: PluginConfig) -> Hash:
    options, at = config.options, config.at
    method, key = options["method"], options["key"]
    if method in DIGESTS:
        return _digest(method.lower(), key, encode=options["base64encode"])
    if method == "MURMUR3":
        return lambda value: murmur3_32(
            value.to_bytes(8, "little", signed=True) if type(value) is int else ruby_text(value).encode()
        )
    if method == "IPV4_NETWORK":
        if not (key and key.isdigit() and int(key) <= 32):
            raise at.error("IPV4_NETWORK needs the prefix length as key", 'such as key => "16"')
        return lambda value: str(ipaddress.ip_network((ruby_text(value), int(key)), strict=False).network_address)
    return _punctuation


def _digest(name: str, key: str | None, *, encode: bool) -> Hash:
    make = getattr(hashlib, name)
    secret = key.encode() if key is not None else None

    def digest(value: Any) -> str:
        data = (value if type(value) is str else ruby_text(value)).encode()
        if secret is None:
            return base64.b64encode(make(data).digest()).decode() if encode else str(make(data).hexdigest())
        signed = hmac.digest(secret, data, name)
        return base64.b64encode(signed).decode() if encode else signed.hex()

    return digest


def _punctuation(value: Any) -> str:
    return "".join(letter for letter in ruby_text(value) if unicodedata.category(letter)[0] in "PS")


def _sorted(value: Any) -> Any:
    """Return `value` with the names of its objects sorted, so that the written order does not matter."""
    if type(value) is dict:
        return {name: _sorted(value[name]) for name in sorted(value)}
    if type(value) is list:
        return [_sorted(item) for item in value]
    return value


SPEC = PluginSpec(
    "filter",
    "fingerprint",
    (
        PluginOption("source", "array", default=["message"]),
        PluginOption("target", default=DEFAULT_TARGET),
        PluginOption("key", "password"),
        PluginOption("base64encode", "boolean", default=False),
        PluginOption("method", choices=METHODS, default="SHA1"),
        PluginOption("concatenate_sources", "boolean", default=False),
        PluginOption("concatenate_all_fields", "boolean", default=False),
    ),
    FingerprintFilter,
)
