"""The routes of TensorFlow Serving's REST API: clients and load tools of TensorFlow Serving work unchanged.

Source: TensorFlow Serving, "RESTful API".
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson
from flask import Flask, Response, g

from model_server.errors import NoSuchModelError
from model_server.json_object import decode
from model_server.model_service import ModelService
from model_server.signatures import serving_answers

PREFIX = "/v1/models/"
METHODS = ("predict", "classify", "regress")


def add_routes(app: Flask, service: ModelService, body: Callable[[], bytes]) -> None:
    """Add the routes to an application.

    Parameters
    ----------
    body : returns the body of the request, decompressed.
    """
    answers = {"predict": service.predict_tensors, "classify": service.classify, "regress": service.regress}

    def check(name: str, version: str | None = None, label: str | None = None) -> None:
        model = service.model
        if name != model["name"]:
            raise NoSuchModelError(f"there is no model of this name; this server serves {model['name']}")
        if label is not None:
            raise NoSuchModelError("this server has no version labels; leave the label out")
        if version is not None and version != model["version"]:
            raise NoSuchModelError(f"there is no such version; this server serves {model['version']}")

    def respond(method: str) -> Response:
        content = answers[method](decode(body()), g.call, g.began)
        return Response(orjson.dumps(content, option=orjson.OPT_SERIALIZE_NUMPY), mimetype="application/json")

    def add(rule: str, method: str) -> None:
        def answer(**names: Any) -> Response:
            check(**names)
            return respond(method)

        app.add_url_rule(f"{PREFIX}{rule}:{method}", f"{rule}:{method}", answer, methods=["POST"])

    for rule in ("<name>", "<name>/versions/<version>", "<name>/labels/<label>"):
        for method in METHODS:
            add(rule, method)
        _add_reads(app, service, rule, check)


def _add_reads(app: Flask, service: ModelService, rule: str, check: Callable[..., None]) -> None:
    def status(**names: Any) -> Response:
        check(**names)
        return _json(serving_answers.status(service.model["version"], service.problem()))

    def metadata(**names: Any) -> Response:
        check(**names)
        model = service.model
        return _json(serving_answers.metadata(model["name"], model["version"], service.dependencies.signatures))

    app.add_url_rule(f"{PREFIX}{rule}", f"{rule} status", status)
    app.add_url_rule(f"{PREFIX}{rule}/metadata", f"{rule} metadata", metadata)


def _json(content: Any) -> Response:
    return Response(orjson.dumps(content), mimetype="application/json")
