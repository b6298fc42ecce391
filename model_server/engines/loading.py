"""Loads a model into the engine that its card names."""

from __future__ import annotations

from model_server.engines.engine import Engine
from model_server.engines.litert import LiteRtModel
from model_server.engines.loaded_graph import LoadedGraph
from model_server.engines.saved_model import SavedModel, limit_threads, threads_for
from model_server.model_card import LITERT, ModelCard


def load_engine(card: ModelCard, threads: int = 0) -> Engine:
    """Return the model of a card, loaded; it is not warmed up yet.

    Parameters
    ----------
    threads : CPU threads of one batch; 0 = as many as suit the size of the model.

    Raises
    ------
    MissingPackageError
        If a package of the engine is missing, or cannot be loaded.
    ModelError
        If the model cannot be loaded or served.
    """
    threads = threads or threads_for(card.folder)
    limit_threads(threads)
    return engine_of_graph(card, LoadedGraph(card.folder), threads)


def engine_of_graph(card: ModelCard, graph: LoadedGraph, threads: int = 1) -> Engine:
    """Return the model of a card; TensorFlow has loaded its SavedModel already.

    Raises
    ------
    MissingPackageError
        If a package of the engine is missing, or cannot be loaded.
    ModelError
        If the model cannot be served.
    """
    if card.engine.name == LITERT:
        return LiteRtModel(card, graph, threads)
    return SavedModel(card, graph, threads)
