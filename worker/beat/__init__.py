"""The beat: the sweeper, the housekeeping, and webhook delivery."""
