"""Files and artifacts: atomic writes, safe reads, locks, content keys."""
