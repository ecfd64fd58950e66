//! Word that a list changed: many changes in a short time are one (gateway rule 14), and what changes nothing that the
//! client sees is none (P19).

use deputy_core::{Digest, Tool};
use deputy_hub::Listed;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

/// How long after the first change the word goes out, so that it speaks for the changes that follow at once.
const TRAILING: Duration = Duration::from_millis(100);
/// At most five a second.
const APART: Duration = Duration::from_millis(200);

/// Looks at a list as one client sees it now.
pub(super) type Look = Box<dyn Fn() -> Digest + Send>;

/// The changes of one client's list, coalesced.
pub(super) struct Changes {
    counter: watch::Receiver<u64>,
    look: Look,
    seen: Digest,
    due: Option<Instant>,
    told: Option<Instant>,
}

impl Changes {
    /// From what the client has seen; from now on, if that is not known.
    pub(super) fn new(mut counter: watch::Receiver<u64>, look: Look, seen: Option<Digest>) -> Self {
        counter.mark_unchanged();
        let now = look();
        let seen = seen.unwrap_or(now);
        let due = (seen != now).then(|| Instant::now() + TRAILING);
        Self { counter, look, seen, due, told: None }
    }

    /// Resolves with the list as it is now when there is something to tell; `None` when there never will be again.
    /// Dropping the future loses nothing.
    pub(super) async fn next(&mut self) -> Option<Digest> {
        loop {
            let due = match self.due {
                Some(due) => due,
                None => {
                    self.counter.changed().await.ok()?;
                    let trailing = Instant::now() + TRAILING;
                    let due = self.told.map_or(trailing, |told| trailing.max(told + APART));
                    self.due = Some(due);
                    due
                }
            };
            sleep_until(due).await;
            self.due = None;
            // Before the look, so that a change during it is looked at again.
            self.counter.mark_unchanged();
            let now = (self.look)();
            if now != self.seen {
                self.seen = now;
                self.told = Some(Instant::now());
                return Some(now);
            }
        }
    }

    /// What the client has seen, or was told of.
    pub(super) const fn seen(&self) -> Digest {
        self.seen
    }
}

/// A list as far as the client sees it: the tools, and the tabs where there is a choice; `servers` counts what servers say
/// of changes, since their lists are not asked for here.
pub(super) fn fingerprint(listed: &[Listed], servers: u64) -> Digest {
    let servers = servers.to_be_bytes();
    let mut parts: Vec<&[u8]> = vec![&servers];
    for entry in listed {
        parts.extend([entry.name.as_str().as_bytes(), entry.tool.hash.as_bytes()]);
        parts.extend(entry.tool.class.words().iter().map(|word| word.as_bytes()));
        let choice = if entry.tabs.len() > 1 { entry.tabs.as_slice() } else { &[] };
        parts.extend(choice.iter().flat_map(|tab| [tab.id.as_str().as_bytes(), tab.title.as_bytes()]));
        parts.push(b"");
    }
    Digest::of_parts(&parts)
}

/// The same of one server, whose tools are `None` where they are not this client's to hear of.
pub(super) fn fingerprint_of(tools: Option<Vec<Arc<Tool>>>, changes: u64) -> Digest {
    let Some(tools) = tools else { return Digest::of_bytes(b"") };
    let changes = changes.to_be_bytes();
    let mut parts: Vec<&[u8]> = vec![&changes];
    for tool in &tools {
        parts.push(tool.hash.as_bytes());
        parts.extend(tool.class.words().iter().map(|word| word.as_bytes()));
        parts.push(b"");
    }
    Digest::of_parts(&parts)
}

/// Another list of one server: whether it is this client's to see, and how often it changed.
pub(super) fn fingerprint_of_list(may: bool, changes: u64) -> Digest {
    if may { Digest::of_bytes(&changes.to_be_bytes()) } else { Digest::of_bytes(b"") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU64, Ordering};

    /// A list that is a number, and how often it was looked at.
    struct List {
        counter: watch::Sender<u64>,
        number: Arc<AtomicU64>,
        looks: Arc<AtomicU64>,
    }

    impl List {
        fn new() -> Self {
            Self { counter: watch::Sender::new(0), number: Arc::default(), looks: Arc::default() }
        }

        fn changes(&self, seen: Option<Digest>) -> Changes {
            let (number, looks) = (Arc::clone(&self.number), Arc::clone(&self.looks));
            let look = move || {
                looks.fetch_add(1, Ordering::SeqCst);
                of(number.load(Ordering::SeqCst))
            };
            Changes::new(self.counter.subscribe(), Box::new(look), seen)
        }

        fn set(&self, number: u64) {
            self.number.store(number, Ordering::SeqCst);
            self.counter.send_modify(|count| *count += 1);
        }
    }

    fn of(number: u64) -> Digest {
        Digest::of_bytes(&number.to_be_bytes())
    }

    /// How many words go out while this happens.
    async fn words(changes: &mut Changes, meanwhile: impl Future<Output = ()>) -> usize {
        let mut count = 0;
        tokio::pin!(meanwhile);
        loop {
            tokio::select! {
                biased;
                Some(_) = changes.next() => count += 1,
                () = &mut meanwhile => return count,
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn p19_a_burst_is_told_once_a_tenth_of_a_second_after_it_began() {
        let list = List::new();
        let mut changes = list.changes(None);
        let started = Instant::now();
        (1..=50).for_each(|number| list.set(number));
        assert_eq!(changes.next().await, Some(of(50)));
        assert_eq!(started.elapsed(), TRAILING);
        assert_eq!(words(&mut changes, tokio::time::sleep(Duration::from_secs(60))).await, 0);
    }

    #[tokio::test(start_paused = true)]
    async fn p19_what_changes_for_ten_seconds_is_told_five_times_a_second_and_the_last_of_it_too() {
        let list = List::new();
        let mut changes = list.changes(None);
        let busy = async {
            for number in 1..=1000 {
                list.set(number);
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let count = words(&mut changes, busy).await;
        assert!((45..=50).contains(&count), "{count}");
        assert_eq!(words(&mut changes, tokio::time::sleep(Duration::from_secs(1))).await, 1);
        assert_eq!(changes.seen(), of(1000));
    }

    #[tokio::test(start_paused = true)]
    async fn p19_what_the_client_does_not_see_is_not_told_and_delays_nothing() {
        let list = List::new();
        let mut changes = list.changes(None);
        let nothing = async {
            for _ in 0..100 {
                list.set(0);
                tokio::time::sleep(Duration::from_millis(30)).await;
            }
            list.set(1);
            list.set(0);
            tokio::time::sleep(Duration::from_secs(1)).await;
        };
        assert_eq!(words(&mut changes, nothing).await, 0);
        assert!(list.looks.load(Ordering::SeqCst) <= 40);
        let started = Instant::now();
        list.set(2);
        assert_eq!(changes.next().await, Some(of(2)));
        assert_eq!(started.elapsed(), TRAILING);
    }

    #[tokio::test(start_paused = true)]
    async fn p19_what_changed_while_nobody_listened_is_told_to_who_saw_the_list_before() {
        let list = List::new();
        list.set(3);
        assert_eq!(list.changes(Some(of(2))).next().await, Some(of(3)));
        let mut same = list.changes(Some(of(3)));
        assert_eq!(words(&mut same, tokio::time::sleep(Duration::from_secs(1))).await, 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_change_is_not_lost_when_the_future_is_dropped() {
        let list = List::new();
        let mut changes = list.changes(None);
        list.set(1);
        assert!(tokio::time::timeout(Duration::from_millis(1), changes.next()).await.is_err());
        assert_eq!(changes.next().await, Some(of(1)));
        drop(list);
        assert_eq!(changes.next().await, None);
    }
}
