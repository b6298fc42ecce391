"""`python -m benchmarks.rig.minilm FOLDER`: write an untrained click model of MiniLM's size.

MiniLM-L6: Wang et al. 2020, https://arxiv.org/abs/2002.10957: 6 layers, 384 wide, 12 heads; vocabulary of BERT.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from model_server.training.encoder import BertEncoder, EncoderConfig

VOCABULARY = 30522
CONFIG = EncoderConfig(layers=6, hidden=384, heads=12, intermediate=1536)
SEED = 7


def main(folder: Path) -> None:
    """Write the SavedModel and its `model.json`."""
    module = tf.Module()
    module.encoder = BertEncoder(CONFIG, VOCABULARY, SEED)
    kernel = np.random.default_rng(SEED).standard_normal((CONFIG.hidden, 1)).astype(np.float32)
    module.kernel = tf.Variable(kernel)
    names = ("input_word_ids", "input_mask", "segment_ids")

    @tf.function(input_signature=[tf.TensorSpec([None, None], tf.int32, name=name) for name in names])
    def score(input_word_ids: Any, input_mask: Any, segment_ids: Any) -> dict[str, Any]:
        inputs = {"input_word_ids": input_word_ids, "input_mask": input_mask, "input_type_ids": segment_ids}
        pooled = module.encoder(inputs)["pooled_output"]
        return {"score": tf.sigmoid(tf.reshape(tf.linalg.matmul(pooled, module.kernel), [-1]))}

    tf.saved_model.save(module, str(folder), signatures={"serving_default": score})
    card = {"name": "minilm", "threshold": 0.5, "max_seq_length": 128, "vocab_size": VOCABULARY}
    (folder / "model.json").write_text(json.dumps(card), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
