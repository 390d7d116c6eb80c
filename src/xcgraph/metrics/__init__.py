"""Metrics of extreme classification: P, nDCG, R, PSP and PSnDCG at k."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
