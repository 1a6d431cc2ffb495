"""What computes a model in ONNX Runtime: the processor, or an NVIDIA GPU. Never one instead of the other, silently."""

import ctypes
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from .errors import RefusalError

ACCELERATORS = ("none", "cuda")

CUDA_OPTIONS: Mapping[str, str] = {
    "device_id": "0",
    # TensorFloat-32 keeps 10 bits of a float32's 23; it is on by default.
    "use_tf32": "0",
    # The default tries every algorithm for each new shape, and so for each new batch size.
    "cudnn_conv_algo_search": "HEURISTIC",
    # As much memory as is needed, not the next power of two.
    "arena_extend_strategy": "kSameAsRequested",
}
"""Of the CUDA execution provider: https://onnxruntime.ai/docs/execution-providers/CUDA-ExecutionProvider.html"""

CUDA_MAJOR = 13
"""What onnxruntime-gpu in requirements/cuda.in is built for."""

_NODE = "accelerator: cuda needs a node with an NVIDIA GPU and its driver, and a pod that is given one (nvidia.com/gpu)"

Library = Callable[[str], Any]


def providers(accelerator: str) -> list[tuple[str, dict[str, str]]]:
    """Execution providers for ONNX Runtime, the preferred first, with all options that matter to the answers."""
    processor: tuple[str, dict[str, str]] = ("CPUExecutionProvider", {})
    # The processor computes what CUDA has no kernel for, such as shapes: it is no second choice for the whole model.
    return [("CUDAExecutionProvider", dict(CUDA_OPTIONS)), processor] if accelerator == "cuda" else [processor]


def check(accelerator: str, available: Sequence[str], load: Library = ctypes.CDLL) -> None:
    """Proves that what is to compute is here. `available` are the providers of this ONNX Runtime.

    Raises: RefusalError: it is not, and why.
    """
    if accelerator == "none":
        return
    if "CUDAExecutionProvider" not in available:
        raise RefusalError(
            "ACCELERATOR is cuda, but this image's ONNX Runtime computes on the processor only "
            f"({', '.join(available)}); build the model with accelerator: cuda"
        )
    try:
        driver = load("libcuda.so.1")
    except OSError as error:
        raise RefusalError(f"no NVIDIA driver here ({error}). {_NODE}") from None
    if code := driver.cuInit(0):
        raise RefusalError(f"the NVIDIA driver does not start (cuInit returns {code}). {_NODE}")
    version, count = ctypes.c_int(), ctypes.c_int()
    if driver.cuDriverGetVersion(ctypes.byref(version)) or version.value // 1000 < CUDA_MAJOR:
        raise RefusalError(
            f"the NVIDIA driver is for CUDA {version.value // 1000}.{version.value % 1000 // 10}; this server needs "
            f"CUDA {CUDA_MAJOR}, which comes with drivers from 580 on"
        )
    if driver.cuDeviceGetCount(ctypes.byref(count)) or not count.value:
        raise RefusalError(f"no GPU is visible here. {_NODE}")


def check_used(accelerator: str, used: Sequence[str]) -> None:
    """Raises: RefusalError: the loaded model's providers are others than were asked for."""
    wanted = [name for name, _ in providers(accelerator)]
    if list(used) != wanted:
        raise RefusalError(f"the model would be computed by {', '.join(used)}, not by {', '.join(wanted)}")
