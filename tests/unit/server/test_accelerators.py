"""What computes is what was asked for, or the server says why not. No GPU is needed: the driver is a stand-in here."""

import ctypes
from pathlib import Path
from typing import Any

import onnxruntime
import pytest

from model.server import accelerators
from model.server.errors import RefusalError
from model.server.session import Session
from tests.unit.server.models import linear_model, write_linear
from tests.unit.server.running import start

BOTH = ["CUDAExecutionProvider", "CPUExecutionProvider"]


class Driver:
    """libcuda.so.1, as far as the server asks it."""

    def __init__(self, *, init: int = 0, version: int = 13000, count: int = 1) -> None:
        self.init, self.version, self.count = init, version, count

    def cuInit(self, flags: int) -> int:
        return self.init

    def cuDriverGetVersion(self, version: Any) -> int:
        version._obj.value = self.version
        return 0

    def cuDeviceGetCount(self, count: Any) -> int:
        count._obj.value = self.count
        return 0


def test_the_processor_computes_unless_told_otherwise() -> None:
    assert accelerators.providers("none") == [("CPUExecutionProvider", {})]
    accelerators.check("none", ["CPUExecutionProvider"], load=ctypes.CDLL)


def test_a_gpu_computes_in_full_precision() -> None:
    [(name, options), (rest, _)] = accelerators.providers("cuda")
    assert (name, rest) == ("CUDAExecutionProvider", "CPUExecutionProvider")
    assert options["use_tf32"] == "0"
    # ONNX Runtime takes options as texts only.
    assert all(isinstance(value, str) for value in options.values())


def test_a_gpu_that_is_there_is_accepted() -> None:
    accelerators.check("cuda", BOTH, load=lambda name: Driver())


@pytest.mark.parametrize(
    ("driver", "reason"),
    [
        (Driver(init=100), r"the NVIDIA driver does not start \(cuInit returns 100\)\. accelerator: cuda needs a node"),
        (Driver(version=12040), r"the NVIDIA driver is for CUDA 12\.4; this server needs CUDA 13"),
        (Driver(count=0), r"no GPU is visible here\. accelerator: cuda needs a node"),
    ],
    ids=["driver without a device", "old driver", "no GPU for this pod"],
)
def test_a_gpu_that_cannot_be_used_is_refused_with_the_reason(driver: Driver, reason: str) -> None:
    with pytest.raises(RefusalError, match=reason):
        accelerators.check("cuda", BOTH, load=lambda name: driver)


def test_without_a_driver_the_reason_says_what_is_needed() -> None:
    def load(name: str) -> Any:
        raise OSError(f"{name}: cannot open shared object file")

    with pytest.raises(RefusalError, match=r"no NVIDIA driver here \(libcuda\.so\.1: .*\)\. accelerator: cuda needs a"):
        accelerators.check("cuda", BOTH, load=load)


def test_a_model_that_another_provider_would_compute_is_refused() -> None:
    accelerators.check_used("cuda", BOTH)
    with pytest.raises(RefusalError, match="computed by CPUExecutionProvider, not by CUDAExecutionProvider, CPU"):
        accelerators.check_used("cuda", ["CPUExecutionProvider"])


def test_an_image_without_cuda_does_not_compute_on_the_processor_instead(tmp_path: Path) -> None:
    assert "CUDAExecutionProvider" not in onnxruntime.get_available_providers()
    path = tmp_path / "model.onnx"
    path.write_bytes(linear_model().SerializeToString())
    Session(path, threads=1)
    with pytest.raises(RefusalError, match="this image's ONNX Runtime computes on the processor only"):
        Session(path, threads=1, accelerator="cuda")


def test_the_reason_is_where_kubernetes_reads_it(tmp_path: Path) -> None:
    server = start(write_linear(tmp_path / "model"), tmp_path, ACCELERATOR="cuda")
    assert server.end(None) == 1
    reason = "ACCELERATOR is cuda, but this image's ONNX Runtime computes on the processor only"
    assert server.termination_log.read_text().startswith(reason)
    assert server.events()[-1]["reason"].startswith(reason)
