"""Benchmarks of speed, memory and accuracy beside other libraries; not installed with the package."""
