"""Does a step compute the correct results? Its first call is checked against the same work in float64.

``gate`` is the entry point: one check per case. ``capture`` takes the results of a first call, ``reference`` computes
them in float64, ``updates`` repeats an optimizer's step in float64. ``tolerances`` says how far results may differ, for
which ``sums`` finds the longest sums; ``judge`` decides.
"""
