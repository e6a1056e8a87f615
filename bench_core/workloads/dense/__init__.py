"""Matrix products, multilayer perceptrons, activations and losses, sums and copies, an optimizer's step."""
