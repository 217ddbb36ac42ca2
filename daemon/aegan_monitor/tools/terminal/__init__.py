"""Commands for people at a terminal: they read what daemons publish, and send commands, through the broker."""
