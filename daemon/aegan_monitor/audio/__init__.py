"""Audio capture: microphones, recordings and pipes, through a ring buffer."""
