"""One claimed run: inputs, execution, heartbeat, observer, log, and failures."""
