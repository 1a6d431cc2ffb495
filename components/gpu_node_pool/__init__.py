"""Nodes with GPUs, in whatever way they come."""

from components.gpu_node_pool.factory import GpuNodePool, gpu_node_pool

__all__ = ["GpuNodePool", "gpu_node_pool"]
