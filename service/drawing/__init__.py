"""Drawing pictures in a process of their own, so that the API's stays quick and light."""
