"""`aegan-monitor record`: normal sound as clips for training."""
