"""What every Kehu service uses unchanged. Each module states its public names in `__all__`; README.md tells them at a glance."""
