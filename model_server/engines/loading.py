"""Loads a model into the engine that its card names."""

from __future__ import annotations

from model_server.engines.engine import Engine
from model_server.engines.saved_model import SavedModel, limit_threads, threads_for
from model_server.model_card import ModelCard


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
    limit_threads(threads or threads_for(card.folder))
    return SavedModel(card)
