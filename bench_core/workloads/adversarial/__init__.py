"""Adversarial networks: generators and discriminators that learn in turn."""
