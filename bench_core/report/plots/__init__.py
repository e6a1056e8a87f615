"""The report's plots: their data (``series``), their texts (``charts``), and the drawing (``draw``, ``canvas``)."""
