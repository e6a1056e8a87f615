"""Attention, and the embeddings of words that it is given."""
