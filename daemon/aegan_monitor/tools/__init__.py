"""The commands beside `run`: check, replay, backtest, devices, record and localize."""
