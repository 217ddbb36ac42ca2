"""The commands beside `run`: check, benchmark, replay, backtest, devices, record and localize."""
