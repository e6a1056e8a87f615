"""The report's pictures: what they show (``series``), their words (``charts``), and matplotlib (``draw``)."""
