"""Many machines: a graph of steps, done by the processors of this computer or by those of a Ray cluster."""
