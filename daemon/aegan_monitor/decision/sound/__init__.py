"""What is heard beside the scores: level and bands, operating state, faults of the microphone, what has changed."""
