"""The routes of TensorFlow Serving's REST API: clients and load tools of TensorFlow Serving work unchanged.

Source: TensorFlow Serving, "RESTful API".
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson
from flask import Flask, Response, g

from model_server.json_object import decode
from model_server.model_service import ModelService, ModelTarget
from model_server.signatures import serving_answers
from model_server.signatures.serving_answers import VersionStatus

PREFIX = "/v1/models/"
METHODS = ("predict", "classify", "regress")


def add_routes(app: Flask, service: ModelService, body: Callable[[], bytes]) -> None:
    """Add the routes to an application.

    Parameters
    ----------
    body : returns the body of the request, decompressed.
    """
    answers = {"predict": service.predict_tensors, "classify": service.classify, "regress": service.regress}

    def add(rule: str, method: str) -> None:
        def answer(**names: Any) -> Response:
            target = ModelTarget(**names)
            g.model = target.name
            _check(service, target)
            content = answers[method](target, decode(body()), g.call, g.began)
            return Response(orjson.dumps(content, option=orjson.OPT_SERIALIZE_NUMPY), mimetype="application/json")

        app.add_url_rule(f"{PREFIX}{rule}:{method}", f"{rule}:{method}", answer, methods=["POST"])

    for rule in ("<name>", "<name>/versions/<version>", "<name>/labels/<label>"):
        for method in METHODS:
            add(rule, method)
        _add_reads(app, service, rule)


def _check(service: ModelService, target: ModelTarget) -> str:
    """Return the version that a request names, else the one that answers.

    Raises
    ------
    NoSuchModelError
        If model, version or label are not served.
    """
    return service.serving.model(target.name).named(target.version, target.label)


def _add_reads(app: Flask, service: ModelService, rule: str) -> None:
    def status(**names: Any) -> Response:
        target = ModelTarget(**names)
        model = service.serving.model(target.name)
        refused = {entry.version: entry.reason for entry in service.serving.refused if entry.model == target.name}
        if target.version in refused and target.version not in model.versions:
            return _json(serving_answers.status([VersionStatus(target.version, refused[target.version], False)]))
        problem = service.problem()
        if target.version is not None or target.label is not None:
            version = model.named(target.version, target.label)
            return _json(serving_answers.status([VersionStatus(version, problem)]))
        served = [VersionStatus(version, problem) for version in reversed(list(model.versions))]
        broken = [VersionStatus(version, reason, is_loaded=False) for version, reason in refused.items()]
        return _json(serving_answers.status([*served, *broken]))

    def metadata(**names: Any) -> Response:
        target = ModelTarget(**names)
        model = service.serving.model(target.name)
        version = model.named(target.version, target.label)
        engine = model.versions[version].content.engine
        return _json(serving_answers.metadata(model.name, version, engine.signatures, engine.engine))

    app.add_url_rule(f"{PREFIX}{rule}", f"{rule} status", status)
    app.add_url_rule(f"{PREFIX}{rule}/metadata", f"{rule} metadata", metadata)


def _json(content: Any) -> Response:
    return Response(orjson.dumps(content), mimetype="application/json")
