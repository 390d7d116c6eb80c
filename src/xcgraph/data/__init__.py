"""Data sets: what they hold, how they are read, and how batches are cut from them."""
