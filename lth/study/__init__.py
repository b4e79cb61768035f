"""The classes for notebooks, and the function that a worker calls to execute a run."""
