"""Workers, the pools that they serve, and what is measured of both."""
