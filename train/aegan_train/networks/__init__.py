"""The networks of AEGAN-AD, their losses and updates, and fast forms of both."""
