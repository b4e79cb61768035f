"""The spec of an experiment: its document, its checks, and the plan that follows from it."""
