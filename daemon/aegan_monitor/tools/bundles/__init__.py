"""`aegan-monitor bundle`: puts another bundle in the place of a machine's, and takes it back."""
