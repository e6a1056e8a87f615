"""Convolutions, residual networks and segmentation."""
