"""Benchmarks that print ratios against a stated peer, measured in turn in one run on the same machine."""
