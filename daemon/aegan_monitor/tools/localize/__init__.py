"""`aegan-monitor localize`: where in a recording the unusual sound is."""
