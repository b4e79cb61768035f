"""The command line `lth` of clients. The package lth-service adds the commands of servers."""
