"""What a child process of a worker holds: its device, its connections, the module that trains."""
