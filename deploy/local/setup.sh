#!/usr/bin/env bash
# Sets up what the suite needs, each part once: `setup.sh PART…` of python, jars, web, console, browser.
#
# A part is done again only when what it is made from has changed: its stamp holds a hash of that and lies inside
# what it stamps, so that removing the one removes the other.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

PACKAGES=(libs/contracts libs/chassis services/customer services/segmentation services/complaints services/campaigns gateway deploy/local)

say() { printf '\033[1m==>\033[0m %s\n' "$*"; }
fail() { printf 'kehu: %s\n' "$1" >&2; shift; printf '      %s\n' "$@" >&2; exit 1; }

# fail_to_fetch LOG WHAT WAY: end, and tell whether a package registry was out of reach; WAY is how to reach another.
fail_to_fetch() {
  if grep -Eq 'connection broken|Read timed out|ECONNREFUSED|ENOTFOUND|EAI_AGAIN|ETIMEDOUT|ECONNRESET' "$1"; then
    fail "$2: the package registry did not answer." "See that this machine reaches it ($3), then run the same command again."
  fi
  fail "$2." "The lines above tell why."
}

hash_of() { sha256sum "$@" | sha256sum | cut -d' ' -f1; }
is_stamped() { [ -f "$1" ] && [ "$(cat "$1")" = "$2" ]; }

need_disk() {
  local free
  free=$(df -Pm . | awk 'NR == 2 { print $4 }')
  [ "$free" -ge "$1" ] || fail "The disk is full: $free MiB are free here, $2 needs $1." "Free some space and run the same command again."
}

find_python() {
  local candidate
  for candidate in ${PYTHON:-python3 python3.13 python3.12 python3.11}; do
    if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
      printf '%s' "$candidate"
      return
    fi
  done
  fail "No Python 3.11 or newer was found." "Install one, or name it: make PYTHON=/path/to/python3 …"
}

setup_python() {
  local wanted python
  wanted=$(hash_of requirements.lock "${PACKAGES[@]/%//pyproject.toml}")
  # A moved or copied folder has an environment whose programs point elsewhere.
  if is_stamped .venv/stamp "$wanted$PWD" && .venv/bin/python -c '' 2>/dev/null; then return; fi
  python=$(find_python)
  need_disk 2000 "the Python environment"
  if ! .venv/bin/python -c 'import pip' 2>/dev/null || [ "$(.venv/bin/python -c 'import sys; print(sys.prefix)')" != "$PWD/.venv" ]; then
    say "Making the Python environment"
    rm -rf .venv
    "$python" -m venv .venv || {
      rm -rf .venv
      fail "The Python environment could not be made." "On Debian it needs the package python3-venv: apt-get install python3-venv"
    }
  fi
  say "Installing the Python packages"
  rm -f .venv/stamp
  .venv/bin/python -m pip install --quiet --disable-pip-version-check --timeout 60 --require-hashes -r requirements.lock 2>&1 |
    tee .local/pip.log || fail_to_fetch .local/pip.log "The Python packages could not be installed" "https_proxy, or another registry: PIP_INDEX_URL"
  .venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation "${PACKAGES[@]/#/--editable=./}" ||
    fail "Kehu's own packages could not be installed." "The lines above tell why."
  printf '%s' "$wanted$PWD" > .venv/stamp
}

setup_jars() {
  setup_python
  if .venv/bin/python -m kehu_local.jars check .local/jars; then return; fi
  need_disk 200 "the broker"
  say "Fetching the Kafka broker"
  .venv/bin/python -m kehu_local.jars fetch .local/jars
}

require_node() {
  command -v node >/dev/null && command -v npm >/dev/null || fail "Node.js was not found." "Install Node 20.19 or newer with npm."
  node -e 'const [a, b] = process.versions.node.split(".").map(Number); process.exit(a > 20 || (a === 20 && b >= 19) ? 0 : 1)' ||
    fail "Node $(node --version) is too old." "Install Node 20.19 or newer."
}

setup_web() {
  local wanted
  wanted=$(hash_of web/package.json web/package-lock.json)
  if is_stamped web/node_modules/.stamp "$wanted"; then return; fi
  require_node
  need_disk 800 "the console's packages"
  say "Installing the console's packages"
  npm --prefix web ci --no-audit --no-fund --loglevel=error 2>&1 |
    tee .local/npm.log || fail_to_fetch .local/npm.log "The console's packages could not be installed" "https_proxy, or another registry: npm config set registry …"
  printf '%s' "$wanted" > web/node_modules/.stamp
}

setup_console() {
  local wanted sources
  mapfile -t sources < <(find web/src web/public web/index.html web/vite.config.ts web/tsconfig.json web/package-lock.json -type f 2>/dev/null | LC_ALL=C sort)
  wanted=$(hash_of "${sources[@]}")
  if [ -f web/dist/index.html ] && is_stamped web/dist/.stamp "$wanted"; then return; fi
  setup_web
  say "Building the console"
  npm --prefix web run build --silent -- --logLevel warn || fail "The console could not be built." "The lines above tell why."
  printf '%s' "$wanted" > web/dist/.stamp
}

find_browser() {
  local name
  for name in ${KEHU_BROWSER:-chromium chromium-browser google-chrome google-chrome-stable}; do
    command -v "$name" && return
  done
  find .local/browsers -type f -name chrome -perm -u+x 2>/dev/null | head -n 1 | grep .
}

# The path of a browser stands in .local/browser afterwards; without one the browser tests fail and say so.
setup_browser() {
  local found
  mkdir -p .local
  if [ -x "$(cat .local/browser 2>/dev/null)" ]; then return; fi
  if ! found=$(find_browser); then
    setup_python
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
      say "Installing a browser for the browser tests: the system's package"
      { apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends chromium; } >.local/browser.log 2>&1 || true
    fi
    if ! found=$(find_browser); then
      say "Installing a browser for the browser tests: Playwright's download"
      PLAYWRIGHT_BROWSERS_PATH=$PWD/.local/browsers timeout 600 .venv/bin/playwright install chromium >>.local/browser.log 2>&1 || true
      found=$(find_browser) || found=
    fi
  fi
  if [ -n "$found" ]; then
    readlink -f "$found" > .local/browser
  else
    rm -f .local/browser
    printf 'kehu: %s\n      %s\n' "No browser was found and none could be installed (see .local/browser.log): the browser tests will fail." \
      "Install Chromium or Chrome (Debian: apt-get install chromium), or name one: KEHU_BROWSER=/path/to/chrome" >&2
  fi
}

mkdir -p .local 2>/dev/null || fail "The folder .local cannot be made here." "Make $PWD writable for you."
exec 9>.local/setup.lock
flock --nonblock 9 || { say "Waiting for another set-up of this folder"; flock 9; }
for part in "$@"; do "setup_$part"; done
