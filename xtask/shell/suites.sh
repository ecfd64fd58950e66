# The suites of `./test`, and the sums over them. Each suite can run alone.

passed=0 failed=0 skipped=0
skips=() failures=()

# Adds what a runner counted; a runner that failed without counting a failure is one.
count() {
  local name="$1" status="$2" good="${3:-0}" bad="${4:-0}" left_out="${5:-0}"
  [ "$status" = 0 ] || [ "$bad" -gt 0 ] || bad=1
  passed=$((passed + good)) failed=$((failed + bad)) skipped=$((skipped + left_out))
  [ "$bad" = 0 ] || failures+=("$name")
}

skip() { skipped=$((skipped + 1)); skips+=("$1"); }

# One command that passes or fails as a whole.
check() {
  local name="$1" status
  shift
  say "$name"
  "$@"
  status=$?
  if [ $status = 0 ]; then count "$name" 0 1; else count "$name" $status; fi
  return $status
}

# Sums a number out of a log: total LOG PATTERN-WITH-ONE-GROUP
total() { sed -nE "s/$2/\1/p" "$1" | awk '{ sum += $1 } END { print sum + 0 }'; }

# Runs a command, shows its output, and keeps it in `$log`. Leaves its status in `$status`.
logged() {
  log="$DEPUTY_STATE/test-${1// /-}.log"
  say "$1"
  shift
  "$@" 2>&1 | tee "$log"
  status=${PIPESTATUS[0]}
}

# In a shell of its own: bash forgets `set -e` in whatever is tested with `||`.
tools_or_fail() {
  bash -c 'set -euo pipefail; . "$1/install.sh"; . "$1/suites.sh"; one_at_a_time; "$2"' _ \
    "$DEPUTY_ROOT/xtask/shell" "$1" || { count "installing for this suite" 1; return 1; }
}

rust_tools() { need_packages; need_python; need_rust; need_rust_parts; need_cargo_deny; }
web_tools() { need_packages browser; need_python; need_npm web/sdk; }

suite_rust() {
  tools_or_fail rust_tools || return
  need_rust
  check "formatting" cargo fmt --all --check
  check "lints" cargo clippy --locked --workspace --all-targets -- -D warnings
  logged "unit and property tests" cargo test --locked --workspace --no-fail-fast
  count "cargo test" "$status" "$(total "$log" '^test result: .* ([0-9]+) passed;.*')" \
    "$(total "$log" '^test result: .* ([0-9]+) failed;.*')" "$(total "$log" '^test result: .* ([0-9]+) ignored;.*')"
  while read -r name; do skips+=("$name"); done < <(sed -nE 's/^test (.*) \.\.\. ignored.*/\1/p' "$log")
  check "dependencies, licences, sources" cargo deny --log-level error check bans licenses sources
  check "licences, sources of the fixture on the SDK" cargo deny --log-level error \
    --config deny.toml --manifest-path e2e/rmcp_fixture/Cargo.toml check licenses sources
  check "formatting of the fixture on the SDK" cargo fmt --manifest-path e2e/rmcp_fixture/Cargo.toml --check
  check "rings" cargo run --locked --quiet -p xtask -- rings
}

suite_web() {
  tools_or_fail web_tools || return
  logged "sdk tests" node_tests web/sdk
  count "node tests of web/sdk" "$status" "$(total "$log" '^[^a-z]*pass ([0-9]+)$')" \
    "$(total "$log" '^[^a-z]*fail ([0-9]+)$')" "$(total "$log" '^[^a-z]*skipped ([0-9]+)$')"
  while read -r name; do skips+=("web/sdk: $name"); done < <(sed -nE 's/^ *﹣ (.*) \([0-9.]+ms\).*/\1/p' "$log")
  check "sdk types" sdk_types
  counted_pytest "sdk in a browser" web/sdk/test/browser
}

node_tests() { (cd "$DEPUTY_ROOT/$1" && npm test --silent); }
sdk_types() { (cd "$DEPUTY_ROOT/web/sdk" && npm run --silent check -- --checkJs --strict); }

# Under --all two programs of others, which take minutes to build: oauth2-proxy, and an OpenTelemetry Collector.
e2e_tools() {
  need_packages; need_python
  [ -n "$DEPUTY_TEST_ALL" ] || return 0
  need_npm examples/behind-a-proxy; need_npm e2e/servers
  need_go e2e/proxy oauth2-proxy github.com/oauth2-proxy/oauth2-proxy/v7
  need_go e2e/collector otel-collector .
}
suite_e2e() { tools_or_fail e2e_tools || return; python_suite e2e; }
# A stock server for the signing world, and a real Keycloak where the machine has Java and Maven.
identity_tools() { need_packages; need_python; need_npm e2e/servers; need_keycloak; }
suite_identity() { tools_or_fail identity_tools || return; python_suite identity; }
suite_faults() {
  python_suite faults
  hub_under_load
  [ -z "$DEPUTY_TEST_ALL" ] || fuzz_for_long
}

# The hub killed under load, over and over; under --all more often, and with ten thousand tabs.
hub_under_load() {
  local target="${CARGO_TARGET_DIR:-target}" kills=5
  [ -z "$DEPUTY_TEST_ALL" ] || kills=500
  fault() { "$target/debug/deputy-bench" --program "$target/debug/deputy" --dir "$DEPUTY_STATE/bench" faults "$@"; }
  check "the hub killed under load, $kills times" fault kills "$kills"
  [ -z "$DEPUTY_TEST_ALL" ] || check "ten thousand tabs" fault tabs 10000
}

small_world_ready=""

# The tools once per run; what was built is checked by cargo, which knows best.
python_suite() {
  local suite="$1"
  if [ -z "$small_world_ready" ]; then
    tools_or_fail need_small_world || return
    need_rust
    build_world_and_load || { count "building the small world" 1; return; }
    small_world_ready=1
  fi
  counted_pytest "$suite" "e2e/suites/$suite"
}

# All at once: cargo would build what they share again for each choice of packages.
build_world_and_load() {
  say "building the hub, the CRM and the load (the first time takes some minutes)"
  cargo build --locked -p deputy -p deputy-demo -p deputy-bench
}

counted_pytest() {
  local name="$1" summary left_out
  logged "$name" "$DEPUTY_VENV/bin/python" -m pytest -c e2e/pytest.ini --color=no -rs "$2"
  summary="$(grep -E '^=+ .* in [0-9.]+s' "$log" | tail -1)"
  count "$name" "$status" "$(number "$summary" passed)" \
    $(($(number "$summary" failed) + $(number "$summary" 'errors?'))) "$(number "$summary" skipped)"
  while read -r left_out; do skips+=("$name: $left_out"); done < <(sed -nE 's/^SKIPPED (.*)/\1/p' "$log")
}

number() { local found; found="$(sed -nE "s/.*[ =]([0-9]+) $2.*/\1/p" <<<"$1")"; echo "${found:-0}"; }

fuzz_tools() { need_packages; need_python; need_rust; need_cargo_fuzz; }

# Each target of fuzz/ under libFuzzer for a minute. A finding stays in .deputy/fuzz/artifacts.
fuzz_for_long() {
  local target
  tools_or_fail fuzz_tools || return
  need_rust
  say "building the fuzz targets (the first time takes some minutes)"
  cargo_fuzz build || { count "building the fuzz targets" 1; return; }
  for target in $(ls "$DEPUTY_ROOT/fuzz/corpus"); do
    check "fuzz $target" fuzz_one "$target" -max_total_time=60
  done
}

# One target, on from what earlier runs found: fuzz_one TARGET [LIBFUZZER-OPTION…]
fuzz_one() {
  local target="$1" folder="$DEPUTY_STATE/fuzz"
  shift
  mkdir -p "$folder/corpus/$target" "$folder/artifacts"
  cargo_fuzz run "$target" "$folder/corpus/$target" "$DEPUTY_ROOT/fuzz/corpus/$target" -- -rss_limit_mb=2048 -timeout=10 \
    -verbosity=0 -print_final_stats=1 -artifact_prefix="$folder/artifacts/$target-" "$@"
}

# Coverage alone, which the stable compiler has too; sanitizers would need a nightly one, and find what unsafe code does.
cargo_fuzz() {
  local verb="$1"
  shift
  (cd "$DEPUTY_ROOT/fuzz" && cargo fuzz "$verb" --fuzz-dir . --sanitizer none --target-dir "$DEPUTY_STATE/fuzz/target" "$@")
}

conformance_tools() {
  local folder
  need_packages; need_python; need_rust
  for folder in conformance servers clients idp; do need_npm "e2e/$folder"; done
}
conformance_hubs() { cargo build --locked --quiet -p deputy --bins --example conformance; }
# A workspace of its own, built by itself: nothing that ships is ever built with the SDK in its graph.
conformance_fixture() {
  cargo build --locked --quiet --manifest-path e2e/rmcp_fixture/Cargo.toml --target-dir "${CARGO_TARGET_DIR:-target}/rmcp-fixture"
}

suite_conformance() {
  tools_or_fail conformance_tools || return
  need_rust
  say "building the hub, and one for programs that bring no token"
  conformance_hubs || { count "building the hubs of the conformance suite" 1; return; }
  say "building the fixture on the official Rust SDK"
  conformance_fixture || { count "building the fixture on the official Rust SDK" 1; return; }
  counted_pytest conformance e2e/suites/conformance
}

suite_agents() { skip "agents: the tests with real agents are not here yet"; }
suite_console() { skip "console: there is no console yet"; }

conclude() {
  local name
  echo
  for name in "${skips[@]+"${skips[@]}"}"; do echo "skipped: $name"; done
  for name in "${failures[@]+"${failures[@]}"}"; do echo "failed: $name"; done
  if [ "$skipped" -gt 0 ]; then echo "$passed passed, $failed failed, $skipped skipped"
  else echo "$passed passed, $failed failed"
  fi
  [ "$failed" = 0 ]
}
