"""The workers: they claim runs, execute them, and renew their leases. Also the beat process."""
