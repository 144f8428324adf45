#!/bin/sh
# In a build stage: build the packages in the folders of $LOCAL as wheels, and install the first that is named, with what
# it declares and the others that are named, into /opt/kehu. Everything from outside is checked against the lock's hashes.
set -eu
lock=/source/requirements.lock
chosen() { python /source/deploy/docker/requirements.py "$@"; }

# locked ENVIRONMENT PACKAGE…: install the packages and what they need, without our own.
locked() {
    into=$1
    shift
    "$into/bin/pip" install --quiet --dry-run --report /tmp/report.json --find-links /wheels --constraint /tmp/versions.txt "$@"
    chosen resolved "$lock" /tmp/report.json > /tmp/requirements.txt
    "$into/bin/pip" install --quiet --require-hashes --no-deps --requirement /tmp/requirements.txt
}

chosen versions "$lock" > /tmp/versions.txt
mkdir -p /wheels
python -m venv /build
locked /build hatchling
for folder in $LOCAL; do
    /build/bin/pip wheel --quiet --no-deps --no-build-isolation --wheel-dir /wheels "/source/$folder"
done

python -m venv /opt/kehu
locked /opt/kehu "$@"
/opt/kehu/bin/pip install --quiet --no-index --no-deps /wheels/*.whl
/opt/kehu/bin/pip uninstall --quiet --yes pip
# Some packages bring their own tests.
find /opt/kehu -type d -name tests -prune -exec rm -r {} +
