"""How fast the service is on this machine, with all of its parts running: `make bench-service`."""
