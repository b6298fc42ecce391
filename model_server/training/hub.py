"""Encoders that tensorflow-hub loads from a handle, with one calling convention.

Versions 3 and later of TF-Hub's BERT modules take and return dicts; version 2 takes a list of ids, mask and segment ids
and returns the pair (pooled output, sequence output). Both work here.
"""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import tensorflow as tf
import tensorflow_hub

from monitor_agent.errors import ModelError

HUB = "https://tfhub.dev/"


class Encoder:
    """A loaded module.

    Attributes
    ----------
    handle : the handle, as the user wrote it.
    trainable_variables : the weights that fine-tuning changes.
    vocabulary, lower_case : the vocabulary file, and whether the tokeniser lower-cases texts.
    """

    def __init__(self, handle: str, module: Any) -> None:
        self.handle = handle
        self.module = module
        self._check()
        self.trainable_variables = list(module.trainable_variables)
        self.vocabulary = Path(module.vocab_file.asset_path.numpy().decode())
        self.lower_case = bool(module.do_lower_case.numpy())
        self._arguments = inspect.getfullargspec(module.__call__)
        self._takes_dict, self.hidden = self._try_out()

    def _check(self) -> None:
        needed = ("__call__", "vocab_file", "do_lower_case", "trainable_variables")
        missing = [name for name in needed if not hasattr(self.module, name)]
        if missing:
            raise ModelError(
                f"{self.handle} is not a BERT module: it has no {', '.join(missing)}",
                "name a module in the TF-Hub BERT format, version 2 or later",
            )

    def _try_out(self) -> tuple[bool, int]:
        """Return whether the module takes a dict, and the width of its pooled output."""
        ids = tf.ones([1, 2], tf.int32)
        for takes_dict in (True, False):
            self._takes_dict = takes_dict
            try:
                return takes_dict, int(self.encode(ids, ids, 0 * ids, training=False).shape[-1])
            except (TypeError, ValueError, KeyError):
                continue
        raise ModelError(
            f"{self.handle} cannot be called with word ids, mask and type ids",
            "name a module in the TF-Hub BERT format, version 2 or later",
        )

    def encode(self, word_ids: Any, mask: Any, type_ids: Any, *, training: bool) -> Any:
        """Return the pooled output, float32 (batch, hidden), of three int32 tensors (batch, sequence)."""
        inputs: Any = [word_ids, mask, type_ids]
        if self._takes_dict:
            inputs = {"input_word_ids": word_ids, "input_mask": mask, "input_type_ids": type_ids}
        named = {"training": training} if self._has_training_flag() else {}
        outputs = self.module(inputs, **named)
        return outputs["pooled_output"] if isinstance(outputs, dict) else outputs[0]

    def _has_training_flag(self) -> bool:
        return "training" in (*self._arguments.args, *self._arguments.kwonlyargs)


def load_encoder(handle: str) -> Encoder:
    """Return the encoder of a handle: a module folder, an address, or a name on the hub.

    Raises
    ------
    ModelError
        If the module cannot be fetched, read or called.
    """
    folder = Path(handle).expanduser()
    address = str(folder) if folder.exists() else handle if "://" in handle else HUB + handle.lstrip("/")
    try:
        return Encoder(handle, tensorflow_hub.load(address))
    except (OSError, RuntimeError, ValueError, tf.errors.OpError) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise ModelError(
            f"encoder {handle} cannot be loaded ({reason})",
            "name a local module folder, or check that the hub can be reached from here",
        ) from error
