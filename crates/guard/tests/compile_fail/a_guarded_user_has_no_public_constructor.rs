use deputy_core::{Client, Timestamp};
use deputy_guard::{GuardedUser, Person};

fn forged(person: Person) -> GuardedUser {
    GuardedUser::new(person, Client("hub".to_owned()), vec![], Timestamp::from_seconds(1))
}

fn main() {}
