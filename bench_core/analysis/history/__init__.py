"""Stored runs over time: series of values, and the steps in them."""
