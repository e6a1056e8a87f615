"""Two sides measured in turns: pairs of fresh processes, of which one works while the other is stopped."""
