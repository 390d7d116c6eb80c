"""Predicts over HTTP: concurrent requests are batched, and a page lets people try the model."""
