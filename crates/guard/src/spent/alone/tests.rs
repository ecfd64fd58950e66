use super::*;
use std::time::Duration;

const NOW: Timestamp = Timestamp::from_seconds(1_795_300_000);

fn later(seconds: u64) -> Timestamp {
    NOW.plus(Duration::from_secs(seconds))
}

fn once(id: &str) -> Once {
    Once::new("id-jag", "https://idp.example", id, later(300))
}

#[test]
fn e4_what_was_used_is_known_after_a_restart_and_forgotten_when_it_expired() {
    let folder = tempfile::tempdir().unwrap();
    let spent = Alone::open(folder.path(), NOW).unwrap();
    spent.take(&[once("a")], NOW).unwrap();
    assert!(matches!(spent.take(&[once("a")], NOW), Err(NotTaken::Before(0))));
    drop(spent);
    let spent = Alone::open(folder.path(), later(299)).unwrap();
    assert!(matches!(spent.take(&[once("a")], later(299)), Err(NotTaken::Before(0))));
    drop(spent);
    let spent = Alone::open(folder.path(), later(300)).unwrap();
    assert_eq!(spent.state.lock().unwrap().until.len(), 0);
}

#[test]
fn e4_all_of_them_are_taken_or_none() {
    let folder = tempfile::tempdir().unwrap();
    let spent = Alone::open(folder.path(), NOW).unwrap();
    spent.take(&[once("a")], NOW).unwrap();
    assert!(matches!(spent.take(&[once("b"), once("a")], NOW), Err(NotTaken::Before(1))));
    spent.take(&[once("b")], NOW).unwrap();
    assert!(matches!(spent.take(&[once("c"), once("c")], NOW), Err(NotTaken::Before(1))));
}

#[test]
fn e4_an_id_of_one_issuer_or_kind_is_not_anothers() {
    let folder = tempfile::tempdir().unwrap();
    let spent = Alone::open(folder.path(), NOW).unwrap();
    let of = |kind, issuer, id| Once::new(kind, issuer, id, later(9));
    spent
        .take(&[of("id-jag", "i", "a"), of("client-assertion", "i", "a"), of("id-jag", "j", "a")], NOW)
        .unwrap();
    spent.take(&[of("id-jag", "ia", ""), of("id-jag", "", "ia")], NOW).unwrap();
}

#[test]
fn e4_a_line_that_a_crash_cut_off_was_never_answered() {
    let folder = tempfile::tempdir().unwrap();
    let spent = Alone::open(folder.path(), NOW).unwrap();
    spent.take(&[once("a")], NOW).unwrap();
    drop(spent);
    let path = folder.path().join(FILE);
    let mut text = fs::read_to_string(&path).unwrap();
    text.push_str("1795300300000 abc");
    fs::write(&path, text).unwrap();
    let spent = Alone::open(folder.path(), NOW).unwrap();
    assert!(matches!(spent.take(&[once("a")], NOW), Err(NotTaken::Before(0))));
    spent.take(&[once("b")], NOW).unwrap();
}

#[test]
fn e4_a_damaged_file_is_named_and_not_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(FILE);
    fs::write(&path, "1795300300000 abc\nx\n").unwrap();
    let error = Alone::open(folder.path(), NOW).unwrap_err();
    assert!(error.to_string().contains("(line 1)"), "{error}");
    assert_eq!(fs::read_to_string(&path).unwrap(), "1795300300000 abc\nx\n");
}

#[test]
fn e4_what_cannot_be_written_is_refused_and_stays_refused_afterwards() {
    let folder = tempfile::tempdir().unwrap();
    let spent = Alone::open(folder.path(), NOW).unwrap();
    // A disk that is full: every write fails.
    let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    spent.state.lock().unwrap().file = Some(full);
    assert!(matches!(spent.take(&[once("a")], NOW), Err(NotTaken::Down(_))));
    assert!(matches!(spent.take(&[once("a")], NOW), Err(NotTaken::Before(0))));
    spent.take(&[once("b")], NOW).unwrap();
    drop(spent);
    let spent = Alone::open(folder.path(), NOW).unwrap();
    assert!(matches!(spent.take(&[once("a")], NOW), Err(NotTaken::Before(0))));
    assert!(matches!(spent.take(&[once("b")], NOW), Err(NotTaken::Before(0))));
}

#[test]
fn the_file_is_written_anew_when_it_has_grown() {
    let folder = tempfile::tempdir().unwrap();
    let spent = Alone::open(folder.path(), NOW).unwrap();
    spent.take(&[once("kept")], NOW).unwrap();
    spent.state.lock().unwrap().lines = SLACK + 10;
    let short = Once::new("id-jag", "i", "short", later(1));
    spent.take(&[short], NOW).unwrap();
    spent.state.lock().unwrap().lines = SLACK + 10;
    spent.take(&[once("next")], later(2)).unwrap();
    let text = fs::read_to_string(folder.path().join(FILE)).unwrap();
    assert_eq!(text.lines().count(), 2, "{text}");
    assert!(matches!(spent.take(&[once("kept")], later(2)), Err(NotTaken::Before(0))));
}
