"""Starts BentoML's own command line."""

import os
import sys
from pathlib import Path

folder = Path(__file__).resolve().parent
os.environ["MODEL_FILE"] = sys.argv[1]
command = ["serve", "service:Digits", "--host", "127.0.0.1", "--port", sys.argv[2], "--working-dir", str(folder)]
os.execv(sys.executable, [sys.executable, "-m", "bentoml", *command])
