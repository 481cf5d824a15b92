"""CUDA kernels for CuPy arrays and CUDA tensors: one source, which also compiles for the host."""
