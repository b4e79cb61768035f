"""A child process of a worker: its device, its connections, and the module that trains."""
