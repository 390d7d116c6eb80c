"""Metrics of extreme classification at k: P, nDCG, PSP, PSnDCG and R."""
