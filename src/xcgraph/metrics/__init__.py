"""Metrics of extreme classification: P@k, nDCG@k, R@k, PSP@k and PSnDCG@k."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
