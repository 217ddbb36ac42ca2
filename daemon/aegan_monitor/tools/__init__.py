"""The commands beside `run`: check, replay, devices, record and localize."""
