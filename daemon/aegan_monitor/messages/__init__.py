"""What is published and received: payload models, topics and commands."""
