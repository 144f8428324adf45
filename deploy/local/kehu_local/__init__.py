"""The `kehu` command and the runner that starts the whole suite without containers."""
