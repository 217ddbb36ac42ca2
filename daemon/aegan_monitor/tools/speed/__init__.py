"""How fast the networks run on this computer."""
