"""FastAPI under uvicorn with uvloop and httptools; the model in TensorFlow, traced once for a batch of any size."""

import os
import sys
from pathlib import Path

os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import numpy as np
import tensorflow as tf
import uvicorn
from fastapi import FastAPI, Request

# The best for this model, as in ONNX Runtime: sharing so little work takes longer than the work.
tf.config.threading.set_intra_op_parallelism_threads(int(os.environ["THREADS"]))
tf.config.threading.set_inter_op_parallelism_threads(1)

loaded = tf.saved_model.load(f"{Path(sys.argv[1]).parent}-saved_model")
infer = loaded.signatures["serving_default"]
[name] = infer.structured_outputs
app = FastAPI()


@app.post("/predict")
async def predict(request: Request):
    body = await request.json()
    rows = tf.constant(np.asarray(body["inputs"], dtype=np.float32))
    return {"outputs": infer(rows)[name].numpy().tolist()}


uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[2]), log_level="warning", access_log=False)
