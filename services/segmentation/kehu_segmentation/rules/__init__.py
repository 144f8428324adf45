"""The rule language: its tree, its meaning in memory, its translation to SQL."""
