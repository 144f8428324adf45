#!/bin/sh
# Start a process with the variables that the initialising job wrote for it; without such a file, with those it was given.
set -eu
variables="/run/kehu/$2.env"
if [ -f "$variables" ]; then
    set -a
    . "$variables"
    set +a
fi
exec python -m "$1" "$2"
