"""FastAPI under uvicorn with uvloop and httptools, the body as it comes."""

import sys

import uvicorn
from fastapi import FastAPI, Request
from session import Model

model = Model()
app = FastAPI()


@app.post("/predict")
async def predict(request: Request):
    body = await request.json()
    return {"outputs": model(body["inputs"]).tolist()}


uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[2]), log_level="warning", access_log=False)
