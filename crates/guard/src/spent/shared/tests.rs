use super::*;
use std::sync::Barrier;

const NOW: Timestamp = Timestamp::from_seconds(1_795_300_000);

struct Place {
    shared: tempfile::TempDir,
    own: [tempfile::TempDir; 2],
}

impl Place {
    fn new() -> Self {
        let folder = || tempfile::tempdir().unwrap();
        Self { shared: folder(), own: [folder(), folder()] }
    }

    fn join(&self, which: usize) -> Result<Shared, GuardError> {
        Shared::join(self.shared.path(), self.own[which].path())
    }

    fn both(&self) -> [Shared; 2] {
        [self.join(0).unwrap(), self.join(1).unwrap()]
    }
}

fn later(seconds: u64) -> Timestamp {
    NOW.plus(Duration::from_secs(seconds))
}

fn once(id: &str) -> Once {
    Once::new("id-jag", "https://idp.example", id, later(300))
}

fn files(shared: &Shared) -> usize {
    (0..FOLDERS).map(|index| fs::read_dir(folder_at(&shared.path, index)).unwrap().count()).sum()
}

#[test]
fn e4_what_one_took_is_used_at_the_other_and_after_a_restart() {
    let place = Place::new();
    let [one, other] = place.both();
    one.take(&[once("a")], NOW).unwrap();
    assert!(matches!(other.take(&[once("a")], NOW), Err(NotTaken::Before(0))));
    drop((one, other));
    assert!(matches!(place.join(1).unwrap().take(&[once("a")], NOW), Err(NotTaken::Before(0))));
}

#[test]
fn e4_of_a_hundred_that_race_at_two_one_takes_it() {
    let place = Place::new();
    let both = place.both();
    let start = Barrier::new(100);
    let taken = std::thread::scope(|scope| {
        let tried: Vec<_> = (0..100)
            .map(|index| {
                let (start, memory) = (&start, &both[index % 2]);
                scope.spawn(move || {
                    start.wait();
                    memory.take(&[once("a"), once(&format!("proof-{index}"))], NOW).is_ok()
                })
            })
            .collect();
        tried.into_iter().map(|tried| tried.join().unwrap()).filter(|taken| *taken).count()
    });
    assert_eq!(taken, 1);
}

#[test]
fn e4_a_used_proof_does_not_burn_what_comes_with_it() {
    let place = Place::new();
    let [one, other] = place.both();
    one.take(&[once("proof")], NOW).unwrap();
    assert!(matches!(other.take(&[once("a"), once("proof")], NOW), Err(NotTaken::Before(1))));
    one.take(&[once("a")], NOW).unwrap();
}

#[test]
fn e4_a_file_that_a_crash_left_empty_is_used() {
    let place = Place::new();
    let [one, other] = place.both();
    fs::write(one.path.join(name_of(&once("a"))), "").unwrap();
    assert!(matches!(other.take(&[once("a")], NOW), Err(NotTaken::Before(0))));
    other.forget(folder_of(&once("a")), NOW).unwrap();
    assert!(matches!(other.take(&[once("a")], NOW), Err(NotTaken::Before(0))));
}

#[test]
fn e4_while_the_folder_is_gone_or_another_everything_is_refused() {
    let place = Place::new();
    let [one, other] = place.both();
    one.take(&[once("a")], NOW).unwrap();
    let away = place.shared.path().join("away");
    fs::rename(&one.path, &away).unwrap();
    for memory in [&one, &other] {
        assert!(matches!(memory.take(&[once("b")], NOW), Err(NotTaken::Down(_))));
    }
    // An empty folder in its place, as a mount point without its mount is one.
    for index in 0..FOLDERS {
        fs::create_dir_all(one.path.join(format!("{index:02x}"))).unwrap();
    }
    assert!(matches!(one.take(&[once("a")], NOW), Err(NotTaken::Down(_))));
    fs::remove_dir_all(&one.path).unwrap();
    fs::rename(&away, &one.path).unwrap();
    assert!(matches!(one.take(&[once("a")], NOW), Err(NotTaken::Before(0))));
    one.take(&[once("c")], NOW).unwrap();
}

#[test]
fn e4_a_folder_that_is_another_than_before_is_not_joined() {
    let place = Place::new();
    drop(place.both());
    let spent = place.shared.path().join("spent");
    fs::rename(&spent, place.shared.path().join("away")).unwrap();
    let error = place.join(0).unwrap_err();
    assert!(error.to_string().contains("mount the folder that this guard joined before"), "{error}");
    assert!(!spent.exists(), "and none is made");
    fs::create_dir(&spent).unwrap();
    fs::write(spent.join("id"), "another").unwrap();
    assert_eq!(place.join(0).unwrap_err().code(), "guard_file_damaged");
}

#[test]
fn e4_a_shared_folder_is_never_made_by_a_guard() {
    let place = Place::new();
    let missing = place.shared.path().join("missing");
    let error = Shared::join(&missing, place.own[0].path()).unwrap_err();
    assert!(error.to_string().contains("is not a folder; mend: mount it"), "{error}");
}

#[test]
fn e4_what_has_ended_is_forgotten_only_when_no_clock_could_take_it_any_more() {
    let place = Place::new();
    let [one, other] = place.both();
    one.take(&[once("a")], NOW).unwrap();
    for (at, left) in [(300, 1), (899, 1), (900, 0)] {
        for _ in 0..FOLDERS {
            other.forget_next(later(at));
        }
        assert_eq!(files(&one), left, "{at}");
    }
}

#[test]
fn e4_when_there_are_too_many_more_are_refused_until_some_have_ended() {
    let place = Place::new();
    let [one, _] = place.both();
    let folder = folder_of(&once("a"));
    for index in 0..MOST_EACH {
        fs::write(folder_at(&one.path, folder).join(index.to_string()), format!("{}\n", later(10).millis()))
            .unwrap();
    }
    one.count(folder).unwrap();
    assert!(matches!(one.take(&[once("a")], NOW), Err(NotTaken::Down(_))));
    one.take(&[once("a")], later(610)).unwrap();
}
