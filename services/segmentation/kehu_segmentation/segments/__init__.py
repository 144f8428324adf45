"""Segments 客群: definition, versions, draft and publication."""
