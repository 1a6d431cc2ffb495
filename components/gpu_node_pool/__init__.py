"""Nodes with GPUs, in whatever way they come."""

from components.gpu_node_pool.factory import gpu_node_pool

__all__ = ["gpu_node_pool"]
