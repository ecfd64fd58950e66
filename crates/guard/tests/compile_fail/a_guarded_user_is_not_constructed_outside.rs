use deputy_core::{Client, Timestamp};
use deputy_guard::{GuardedUser, Person};

fn forged(person: Person) -> GuardedUser {
    GuardedUser { person, client: Client("hub".to_owned()), scopes: vec![], expires_at: Timestamp::from_seconds(1) }
}

fn main() {}
