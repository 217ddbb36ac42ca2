"""What is live: messages, spectrograms and sound, for any number of viewers."""
