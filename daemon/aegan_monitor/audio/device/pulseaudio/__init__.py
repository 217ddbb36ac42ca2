"""PulseAudio's native protocol, which PipeWire speaks too."""
