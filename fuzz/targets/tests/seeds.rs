//! Every target over its seeds and some thousand changed copies of them, the same ones every time.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use deputy_fuzz_targets::mutate::{Dice, changed};
use deputy_fuzz_targets::{TARGETS, Target};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// More than that is no hand-made set of seeds.
const MOST_SEEDS: usize = 12;
const MOST_BYTES: usize = 16 * 1024;

fn fuzz() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("fuzz/").to_owned()
}

fn names(folder: &Path) -> BTreeSet<String> {
    let entries = std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

fn seeds(target: &Target) -> Vec<(String, Vec<u8>)> {
    let folder = fuzz().join("corpus").join(target.name);
    names(&folder)
        .into_iter()
        .map(|name| {
            let bytes = std::fs::read(folder.join(&name)).unwrap();
            (name, bytes)
        })
        .collect()
}

/// Says which input it was, for nothing else does when a body panics.
struct Saying<'a>(&'a str, String, &'a [u8]);

impl Drop for Saying<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            #[expect(clippy::print_stderr, reason = "the input has to be seen")]
            {
                eprintln!("target `{}`, {}: {:?}", self.0, self.1, String::from_utf8_lossy(self.2));
            }
        }
    }
}

fn try_out(target: &Target) {
    let seeds = seeds(target);
    for (name, seed) in &seeds {
        let _saying = Saying(target.name, format!("seed `{name}`"), seed);
        (target.body)(seed);
    }
    let mut dice =
        Dice::new(target.name.bytes().fold(1, |sum: u64, byte| sum.rotate_left(8) ^ u64::from(byte)));
    for at in 0..target.copies {
        let (name, seed) = &seeds[dice.below(seeds.len())];
        let (_, other) = &seeds[dice.below(seeds.len())];
        let copy = changed(seed, other, &mut dice);
        let _saying = Saying(target.name, format!("copy {at}, of `{name}`"), &copy);
        (target.body)(&copy);
    }
}

#[test]
fn every_target_has_its_seeds_its_program_and_nothing_more() {
    let targets: BTreeSet<String> = TARGETS.iter().map(|target| target.name.to_owned()).collect();
    assert_eq!(targets.len(), TARGETS.len(), "a name twice");
    assert_eq!(names(&fuzz().join("corpus")), targets);
    let programs: BTreeSet<String> = targets.iter().map(|name| format!("{name}.rs")).collect();
    assert_eq!(names(&fuzz().join("fuzz_targets")), programs);
    let manifest = std::fs::read_to_string(fuzz().join("Cargo.toml")).unwrap();
    for target in TARGETS {
        assert!(manifest.contains(&format!("path = \"fuzz_targets/{}.rs\"", target.name)), "{target:?}");
        let seeds = seeds(target);
        let size: usize = seeds.iter().map(|(_, seed)| seed.len()).sum();
        assert!((1..=MOST_SEEDS).contains(&seeds.len()) && size <= MOST_BYTES, "{}: {size}", target.name);
    }
}

/// Each a test of its own, so that they run beside each other and one that fails hides no other.
macro_rules! holds {
    ($($sentence:ident: $name:literal,)*) => {
        $(#[test]
        fn $sentence() {
            try_out(TARGETS.iter().find(|target| target.name == $name).expect("a target"));
        })*

        #[test]
        fn every_target_is_tried_out_here() {
            let tried: BTreeSet<&str> = [$($name),*].into();
            assert_eq!(tried, TARGETS.iter().map(|target| target.name).collect());
        }
    };
}

holds! {
    a7_hostile_json_has_one_canonical_form_or_none: "canonical",
    r9_hostile_schemas_are_bounded_and_let_nothing_else_pass: "schema",
    p26_hostile_definitions_have_one_hash_and_never_lower_a_class: "definition",
    p26_hostile_manifests_pin_only_what_they_are_right_about: "manifest",
    r7_hostile_documents_make_bounded_tools_whose_requests_keep_their_shape: "openapi",
    p17_hostile_frames_keep_order_and_limits_or_close_the_socket: "tab",
    r9_hostile_bodies_are_checked_as_the_bytes_that_came: "jsonrpc",
    r9_hostile_headers_agree_with_a_body_only_if_they_say_the_same: "headers",
    w3c_hostile_trace_contexts_are_read_in_one_form_and_otherwise_go_nowhere: "trace",
    hostile_words_are_what_they_are_written_as: "words",
    p29_hostile_answers_hide_nothing_and_label_nothing: "answer",
    p29_hostile_texts_are_clean_once_cleaned_and_keep_no_secret: "text",
    a3_hostile_tokens_are_let_in_only_if_they_were_signed: "token",
    a9_hostile_claims_are_let_in_only_at_their_door_and_in_time: "claims",
    a4_hostile_key_sets_are_bounded_and_serve_something: "keys",
    b2_hostile_discovery_documents_are_believed_only_of_our_issuer: "discovery",
    r3_hostile_strings_open_only_if_they_were_sealed: "sealed",
    d10_hostile_client_assertions_are_taken_only_of_their_client_for_us_and_short: "assertion",
    e2_hostile_id_jags_are_taken_only_for_us_their_client_and_its_resource: "id_jag",
    hostile_id_tokens_sign_nobody_in_but_who_was_sent_away: "login",
    c1_hostile_logout_tokens_end_only_sessions_of_their_provider: "logout",
    c2_hostile_events_are_about_people_of_their_provider_or_nobody: "event",
    rfc_9207_hostile_answers_bring_a_code_only_with_state_and_issuer: "callback",
    hostile_requests_send_the_browser_only_to_the_clients_own_address: "authorize",
    hostile_token_requests_have_one_grant_and_one_client: "token_request",
    cimd_hostile_clients_say_nothing_that_can_hurt: "client",
    d5_hostile_answers_grant_nothing_that_was_not_asked_for: "exchange",
    r14_hostile_policy_files_have_every_id_once_or_are_refused: "policy",
    r14_hostile_cases_are_allowed_by_a_policy_or_not_at_all: "policy_case",
    r14_hostile_arguments_do_not_slip_past_a_forbid: "policy_arguments",
    aud_02_hostile_checkpoints_open_only_if_they_were_signed: "checkpoint",
    aud_02_hostile_proofs_prove_only_lines_of_the_log: "proof",
    aud_10_hostile_lines_are_exported_as_one_line_or_not_at_all: "line",
    aud_03_hostile_copies_of_a_log_verify_only_if_what_was_signed_is_untouched: "log",
    aud_04_hostile_bundles_are_good_only_with_the_lines_that_were_signed: "bundle",
    hostile_settings_are_refused_with_their_line_or_leave_nothing_open: "settings",
    invariant_6_hostile_requests_get_a_stranger_nothing: "doors",
    e1_hostile_requests_get_nothing_of_a_guard_that_is_not_theirs: "guard",
}
