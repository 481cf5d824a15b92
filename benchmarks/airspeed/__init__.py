"""The benchmarks that asv finds: docs/benchmarks.md."""
