"""Generators and discriminators that learn in turn."""
