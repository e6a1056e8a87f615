"""The colors of the plots."""

# The colors of Okabe and Ito, chosen so that readers with a color vision deficiency can distinguish them.
BLUE, SKY, GREEN, ORANGE, VERMILLION, PURPLE, BLACK = (
    "#0072B2", "#56B4E9", "#009E73", "#E69F00", "#D55E00", "#CC79A7", "#222222",
)  # fmt: skip
INK, GRAY = "#1f2328", "#57606a"
