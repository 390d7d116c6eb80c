"""Prediction over HTTP: requests that come together are answered together."""
