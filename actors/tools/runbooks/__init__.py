"""What helps on call: pages, alerts, and whether they fit together."""
