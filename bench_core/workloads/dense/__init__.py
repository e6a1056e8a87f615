"""Matrix products, multilayer perceptrons, activations and losses."""
