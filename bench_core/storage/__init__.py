"""Stored runs: their files, their versions, and the folders they are in.

May import ``core``; never torch, so that stored runs can be read without it.
"""
