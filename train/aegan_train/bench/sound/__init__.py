"""The sounds of the bench: machines, faults and backgrounds, made from a seed or read from recordings."""
