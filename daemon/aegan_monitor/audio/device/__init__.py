"""Sound devices: discovery, the shared stream of each, and the faults of a device."""
