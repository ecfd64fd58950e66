//! `deputy vault`: the secrets that MCP servers want, put and taken out beside a hub that runs. It never shows one (VLT-02).

mod arguments;
mod counter;
mod input;

pub(super) use arguments::Command;

use super::Failure;
use super::terminal::{Mark, Terminal, harmless};
use crate::vault::make;
use arguments::{KeyArguments, ListArguments, PutArguments, RemoveArguments, RotateArguments, Secret};
use counter::Counter;
use deputy_core::{Operator, TenantId};
use deputy_hub::ports::{SealedSecret, VaultOrder};
use deputy_hub::vault::Header;
use deputy_hub::{MasterKeyFault, VaultFault};

pub(super) async fn run(command: Command, terminal: Terminal) -> Result<(), Failure> {
    match command {
        Command::Key(arguments) => key(&arguments, terminal),
        Command::Put(arguments) => put(&arguments, terminal).await,
        Command::List(arguments) => list(&arguments, terminal).await,
        Command::Rotate(arguments) if arguments.master_key => rotate_master_key(&arguments, terminal).await,
        Command::Rotate(arguments) => rotate(&arguments, terminal).await,
        Command::Remove(arguments) => remove(&arguments, terminal).await,
    }
}

fn key(arguments: &KeyArguments, terminal: Terminal) -> Result<(), Failure> {
    let path = arguments.file.display();
    let made = make(&arguments.file)?;
    terminal.marked(Mark::Good, &format!("made master key `{}` in `{path}`", made.id()), None)?;
    terminal.note(&format!(
        "name it in the configuration: [vault] master_key = {{ file = \"{path}\" }}\nkeep a copy of it, apart from copies of the data directory: without it every secret in the vault is lost"
    ));
    Ok(())
}

async fn put(arguments: &PutArguments, terminal: Terminal) -> Result<(), Failure> {
    let header = arguments.header()?;
    let mut counter = Counter::open(&arguments.at).await?;
    counter.has_server(&arguments.server)?;
    let value = input::secret(terminal)?;
    let order =
        counter.vault.put(&counter.tenant, &arguments.server, &header, value, counter.change()).await?;
    store(&mut counter, order, "put", terminal).await
}

async fn rotate(arguments: &RotateArguments, terminal: Terminal) -> Result<(), Failure> {
    let Some(secret) = arguments.secret() else {
        let mend = "name the SERVER, or give --master-key";
        return Err(Failure::Usage(format!("say what to rotate\n  mend: {mend}")));
    };
    let mut counter = Counter::open(&arguments.at).await?;
    let kept = counter.find(&secret).await?;
    let header = Header::new(kept.name.as_str(), &kept.prefix)?;
    let value = input::secret(terminal)?;
    let order = counter.vault.put(&counter.tenant, &secret.server, &header, value, counter.change()).await?;
    store(&mut counter, order, "rotated", terminal).await
}

/// Hands over an order that puts a secret.
async fn store(
    counter: &mut Counter,
    order: VaultOrder,
    done: &str,
    terminal: Terminal,
) -> Result<(), Failure> {
    let VaultOrder::Put { secret, .. } = &order else { return Err(Failure::told()) };
    let secret = secret.clone();
    let by = counter.hand_over(&order).await?;
    let now = counter.kept(&secret.server).await?;
    if !now.iter().any(|one| one.version == secret.version && one.sealed.digest() == secret.sealed.digest()) {
        return Err(overtaken());
    }
    let text = format!("{done}: {} ({by})", shown(&secret));
    terminal.marked(Mark::Good, &harmless(&text), None)
}

async fn list(arguments: &ListArguments, terminal: Terminal) -> Result<(), Failure> {
    let counter = Counter::open_for_reading(&arguments.at).await?;
    let mut empty = true;
    for tenant in counter.tenants() {
        for kept in counter.all(&tenant).await? {
            empty = false;
            let of = if counter.is_alone() { String::new() } else { format!("{tenant} ") };
            let secret = &kept.secret;
            let by = match &secret.by {
                Operator::Machine => "on this machine".to_owned(),
                Operator::Person(user) => format!("by `{}` of `{}`", user.subject, user.issuer),
            };
            let doubt = if kept.recorded.confirms(secret) { "" } else { " NOT WHAT THE LOG SAYS: not used" };
            let line = format!("{of}{}, since {} {by}{doubt}", shown(secret), secret.at);
            terminal.line(&harmless(&line))?;
        }
    }
    if empty { terminal.line("the vault is empty") } else { Ok(()) }
}

async fn remove(arguments: &RemoveArguments, terminal: Terminal) -> Result<(), Failure> {
    let secret = arguments.secret();
    let mut counter = Counter::open(&arguments.at).await?;
    let kept = counter.find(&secret).await?;
    let what = harmless(&shown(&kept));
    if !arguments.yes && !input::agreed(terminal, &format!("remove {what} for good?"))? {
        return Err(Failure::Fault(format!("nothing was removed: {what} stays")));
    }
    let order = counter.vault.remove(&counter.tenant, &secret.server, &secret.name, counter.change()).await?;
    let order = order.ok_or_else(overtaken)?;
    let rekeyed = matches!(&order, VaultOrder::Remove { rekey: Some(_), .. });
    let by = counter.hand_over(&order).await?;
    if counter.kept(&secret.server).await?.iter().any(|one| one.name == secret.name) {
        return Err(overtaken());
    }
    terminal.marked(Mark::Good, &format!("removed: {what} ({by})"), None)?;
    if !rekeyed {
        terminal.note("its key could not be replaced, for the master key is not there: whoever has both can still open an old copy");
    }
    terminal.note("revoke it where it came from, too. `deputy vault rotate --master-key` makes it unreadable in old copies of the database");
    Ok(())
}

/// The next key is made, everything is put under it in one commit, and only then it takes the place of the old one; each
/// step can be repeated (VLT-05).
async fn rotate_master_key(arguments: &RotateArguments, terminal: Terminal) -> Result<(), Failure> {
    if arguments.server.is_some() {
        let mend = "leave out the SERVER, or leave out --master-key";
        return Err(Failure::Usage(format!("--master-key is about all secrets\n  mend: {mend}")));
    }
    let mut counter = Counter::open(&arguments.at).await?;
    let path = counter.keys.path()?.to_owned();
    let next = counter.keys.next()?;
    let mut by = "nothing was sealed yet";
    if let Some(order) = counter.vault.replace_master_key(&next, counter.change()).await? {
        by = counter.hand_over(&order).await?;
    }
    if !counter.tenant_keys().await?.iter().all(|key| key.under == next.id()) {
        return Err(overtaken());
    }
    counter.keys.take_over()?;
    let text =
        format!("everything is sealed under master key `{}` in `{}` ({by})", next.id(), path.display());
    terminal.marked(Mark::Good, &text, None)?;
    terminal.note(
        "keep a copy of it, and destroy the copies of the old one: it opens only old copies of the database",
    );
    Ok(())
}

fn shown(secret: &SealedSecret) -> String {
    let SealedSecret { server, name, prefix, version, .. } = secret;
    format!("{server} `{name}: {prefix}…` version {version}")
}

fn overtaken() -> Failure {
    Failure::Fault(
        "nothing was done: somebody else changed the vault at the same moment\n  mend: look with `deputy vault list`, then try again"
            .to_owned(),
    )
}

impl Counter {
    async fn find(&self, secret: &Secret) -> Result<SealedSecret, Failure> {
        let kept = self.kept(&secret.server).await?;
        let (server, name) = (&secret.server, &secret.name);
        kept.into_iter().find(|one| one.name == *name).ok_or_else(|| {
            Failure::Fault(format!(
                "the vault has no `{name}` for server `{server}`\n  mend: `deputy vault list` tells what it has; `deputy vault put {server}` puts one"
            ))
        })
    }

    fn tenants(&self) -> Vec<TenantId> {
        if self.only { vec![self.tenant.clone()] } else { self.known.clone() }
    }

    fn is_alone(&self) -> bool {
        self.known.len() == 1
    }
}

impl From<VaultFault> for Failure {
    fn from(fault: VaultFault) -> Self {
        match fault {
            VaultFault::MasterKey(_) | VaultFault::Header { .. } | VaultFault::Unsendable => {
                Self::Usage(fault.to_string())
            }
            fault => Self::Fault(fault.to_string()),
        }
    }
}

impl From<MasterKeyFault> for Failure {
    fn from(fault: MasterKeyFault) -> Self {
        Self::Usage(fault.to_string())
    }
}
