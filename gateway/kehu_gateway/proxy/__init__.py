"""Hands requests on to the service that owns their path."""
