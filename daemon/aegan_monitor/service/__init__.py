"""The running daemon: start, worker, health, metrics, reload and systemd."""
