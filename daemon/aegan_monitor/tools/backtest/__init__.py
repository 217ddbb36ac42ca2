"""`aegan-monitor backtest`: the alarms that a configuration would have raised in recordings."""
