"""The command line `lth`: what clients need. Servers' commands come from the package lth-service."""
