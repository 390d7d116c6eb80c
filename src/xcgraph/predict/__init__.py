"""Prediction: a portable model without anything that trains, and what asks it."""
