"""The daemon's configuration: models, validation and the YAML reader."""
