"""Does a step compute what it should? Its first call is checked against the same work in float64.

``gate`` is the way in: one check per case. ``capture`` takes what a first call gives, ``reference`` has the same in
float64, ``tolerances`` say how far apart they may be, ``judge`` decides.
"""
