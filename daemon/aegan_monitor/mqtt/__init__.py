"""The MQTT client: connections, publishing and subscriptions."""
