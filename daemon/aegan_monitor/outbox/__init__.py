"""The outbox: messages on their way to the broker, and the SQLite store behind them."""
