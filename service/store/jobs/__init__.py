"""Jobs: submission, commands, state, queue position, events, webhooks, and retention."""
