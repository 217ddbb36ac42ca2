"""What the image of a container needs beside the daemon."""
