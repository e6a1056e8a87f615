"""Convolutions and their transposes, residual networks and segmentation."""
