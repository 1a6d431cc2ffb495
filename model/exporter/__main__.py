"""Command line of the exporter; the image build's only step with the framework in it."""

import argparse
import sys
import traceback
from pathlib import Path

from .errors import ExportError
from .pipeline import FRAMEWORKS, RUNTIMES, export


def main() -> int:
    """Returns the process's exit code: 0, or 1 with the reason on the last line of standard error."""
    parser = argparse.ArgumentParser(prog="exporter", description=__doc__)
    parser.add_argument("source", type=Path, help="the model's folder, with its train.py")
    parser.add_argument("out", type=Path, help="folder for the model and contract.json; emptied first")
    parser.add_argument("--framework", choices=FRAMEWORKS, default=FRAMEWORKS[0])
    parser.add_argument("--runtime", choices=RUNTIMES, default="onnx", help="what will serve the model")
    parser.add_argument("--artifact", type=Path, help="folder with a finished model, which is not trained then")
    parser.add_argument("--quantization-loss", type=float, help="make the weights int8, for at most this much quality")
    arguments = parser.parse_args()
    try:
        export(
            arguments.source,
            arguments.out,
            arguments.framework,
            lambda text: print(text, flush=True),
            runtime=arguments.runtime,
            artifact=arguments.artifact,
            quantization_loss=arguments.quantization_loss,
        )
    except ExportError as error:
        print(f"export failed: {error}", file=sys.stderr)
        return 1
    except Exception as error:
        # The folder's own code failed: its author needs the place.
        traceback.print_exc()
        print(f"export failed: the model's code raised {type(error).__name__}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
