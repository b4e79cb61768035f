"""Settings of the training: batch size, length, optimizers, and learning-rate decays."""
