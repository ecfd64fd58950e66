//! `[audit]`: how long lines are kept, and where checkpoints go.

use super::*;

fn with(line: &str) -> Result<Settings, String> {
    let text = format!("{GOOD}\n[audit]\n{line}\n");
    Settings::parse(&text, Path::new("deputy.toml")).map_err(|faults| faults.to_string())
}

#[test]
fn aud_10_nothing_is_pruned_unless_the_operator_says_how_long_lines_are_kept() {
    let keep = |line: &str| with(line).expect("settings").audit.keep.map(|keep| keep.as_secs() / 86_400);
    assert_eq!(keep(""), None);
    assert_eq!(keep(r#"keep = "180d""#), Some(180));
    assert_eq!(keep(r#"keep = "only 30d""#), Some(30));
}

#[test]
fn aud_10_less_than_half_a_year_is_said_in_words() {
    let said = with(r#"keep = "30d""#).expect_err("refused");
    assert!(said.contains("`30d` is out of bounds"), "{said}");
    assert!(said.contains(r#"if you may keep less than half a year, say so: `keep = "only 30d"`"#), "{said}");
    for wrong in ["", "d", "only", "only 1h", "forever", "-1d", "400 d"] {
        let said = with(&format!("keep = \"{wrong}\"")).expect_err(wrong);
        assert!(said.contains("mend: write"), "{said}");
    }
}

const BUCKET: &str = r#"bucket = "https://s3.eu-central-1.amazonaws.com/acme-audit", prefix = "deputy/{tenant}/", region = "eu-central-1", access_key_id = "AKIDEXAMPLE", secret_access_key = { file = "s3.secret" }, retain = "400d""#;

#[test]
fn a_bucket_is_read_in_every_part() {
    let settings = with(&format!("publish = [{{ {BUCKET} }}]")).expect("settings");
    let [Target::Bucket(bucket)] = settings.audit.publish.as_slice() else { panic!("one bucket") };
    assert_eq!((bucket.prefix.as_str(), bucket.region.as_str()), ("deputy/{tenant}/", "eu-central-1"));
    assert_eq!(bucket.secret_access_key, SecretSource::File("s3.secret".into()));
    assert_eq!(bucket.retain, Some(Duration::from_secs(400 * 86_400)));
    assert!(settings.named_addresses().contains(&bucket.url));
}

#[test]
fn r7_a_bucket_that_is_not_whole_or_not_plain_is_refused_with_the_mend() {
    for (from, to, said) in [
        (r#", region = "eu-central-1""#, "", "the bucket has no `region`"),
        (r#", secret_access_key = { file = "s3.secret" }"#, "", "the bucket has no `secret_access_key`"),
        ("/acme-audit", "", "is not the address of a bucket"),
        ("/acme-audit", "/acme-audit/x", "is not the address of a bucket"),
        ("deputy/{tenant}/", "../{tenant}/", "is not the beginning of an object's name"),
        ("deputy/{tenant}/", "a b?{size}", "is not the beginning of an object's name"),
        ("\"eu-central-1\"", "\"eu/central\"", "this is no `region`"),
        ("400d", "1h", "`1h` is out of bounds"),
        (
            "retain",
            "webhook = \"https://w.acme.example\", retain",
            "more than one of `file`, `webhook` and `bucket`",
        ),
        (
            "bucket = \"https://s3.eu-central-1.amazonaws.com/acme-audit\", ",
            "",
            "this is for a bucket, and there is none",
        ),
    ] {
        assert!(BUCKET.contains(from), "{from}");
        let answer = with(&format!("publish = [{{ {} }}]", BUCKET.replace(from, to))).expect_err(said);
        assert!(answer.contains(said) && answer.contains("mend: "), "{answer}");
    }
    let inline = BUCKET.replace(r#"{ file = "s3.secret" }"#, r#""hunter2""#);
    let answer = with(&format!("publish = [{{ {inline} }}]")).expect_err("refused");
    assert!(!answer.contains("hunter2"), "{answer}");
}
