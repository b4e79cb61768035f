"""One experiment on one network: its context, its state, its steps, and its checkpoints."""
