"""Kernels for arrays in the host's memory, compiled by Numba: the definition, fused."""
