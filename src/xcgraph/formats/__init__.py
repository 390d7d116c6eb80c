"""Convert between the file formats of extreme classification and memory-mapped sparse matrices."""
