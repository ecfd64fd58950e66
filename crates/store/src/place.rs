//! Where things lie in the data directory, and how files are written so that they survive a crash.
//!
//! ```text
//! data_dir/deputy.db                    everything
//! data_dir/audit/lock                   locked by the one hub that writes
//! data_dir/audit/log.key                the secret that signs checkpoints (0600)
//! data_dir/audit/log.key.next           the one that is about to take over, while `deputy audit rotate-key` works
//! data_dir/audit/log.vkey               the public keys, per tenant oldest first: copy it off the machine
//! data_dir/audit/{tenant}.checkpoint    the newest signed checkpoint, outside the database (AUD-05)
//! ```

use crate::OpenError;
use deputy_audit::{LogKey, VerifierKey, VerifierKeys};
use deputy_core::{Secret, TenantId};
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

/// A data directory.
#[derive(Debug, Clone)]
pub struct Place(PathBuf);

impl Place {
    /// The directory need not exist yet.
    #[must_use]
    pub fn new(data_dir: impl Into<PathBuf>) -> Self {
        Self(data_dir.into())
    }

    /// The database.
    #[must_use]
    pub fn database(&self) -> PathBuf {
        self.0.join("deputy.db")
    }

    /// Locked by whoever writes.
    #[must_use]
    pub fn lock(&self) -> PathBuf {
        self.0.join("audit/lock")
    }

    /// The secret of the logs.
    #[must_use]
    pub fn key(&self) -> PathBuf {
        self.0.join("audit/log.key")
    }

    /// The secret that is about to take over.
    #[must_use]
    pub fn next_key(&self) -> PathBuf {
        self.0.join("audit/log.key.next")
    }

    /// The public keys of the logs.
    #[must_use]
    pub fn verifier_keys(&self) -> PathBuf {
        self.0.join("audit/log.vkey")
    }

    /// The newest checkpoint of a tenant's log.
    #[must_use]
    pub fn checkpoint(&self, tenant: &TenantId) -> PathBuf {
        self.0.join(format!("audit/{tenant}.checkpoint"))
    }

    /// Makes the directories, readable by their owner alone.
    pub(crate) fn prepare(&self) -> Result<(), OpenError> {
        let audit = self.0.join("audit");
        let mut builder = DirBuilder::new();
        builder.recursive(true);
        // Of the operator's own directory the mode is the operator's; what is made here is for its owner alone.
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(&audit).and_then(|()| for_owner_alone(&audit, 0o700)).map_err(at(&audit))?;
        builder.create(&audit).and_then(|()| for_owner_alone(&audit, 0o700)).map_err(at(&audit))?;
        // What the log and the approvals say of people is for the hub's own account alone.
        let database = self.database();
        if !database.exists() {
            let mut options = OpenOptions::new();
            options.write(true).create_new(true);
            #[cfg(unix)]
            std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
            options.open(&database).map_err(at(&database))?;
        }
        for_owner_alone(&database, 0o600).map_err(at(&database))
    }

    /// The tenants that have a checkpoint file.
    pub(crate) fn tenants(&self) -> Result<Vec<TenantId>, OpenError> {
        let directory = self.0.join("audit");
        let mut tenants = Vec::new();
        for entry in fs::read_dir(&directory).map_err(at(&directory))? {
            let name = entry.map_err(at(&directory))?.file_name();
            let tenant = name.to_str().and_then(|name| name.strip_suffix(".checkpoint"));
            tenants.extend(tenant.and_then(|tenant| TenantId::new(tenant).ok()));
        }
        Ok(tenants)
    }

    /// The log key, if there is one.
    pub(crate) fn read_key(&self) -> Result<Option<LogKey>, OpenError> {
        read_key(self.key())
    }

    /// The key that is about to take over, if there is one.
    pub(crate) fn read_next_key(&self) -> Result<Option<LogKey>, OpenError> {
        read_key(self.next_key())
    }

    /// Makes the log key.
    pub(crate) fn make_key(&self) -> Result<LogKey, OpenError> {
        let key = LogKey::generate()?;
        let text = Secret::new(format!("{}\n", hex::encode(key.secret().expose())));
        write_durably(&self.key(), text.expose(), 0o600)?;
        Ok(key)
    }

    /// Makes the key that is about to take over.
    pub(crate) fn make_next_key(&self, key: &LogKey) -> Result<LogKey, OpenError> {
        let next = key.successor()?;
        let text = Secret::new(format!("{}\nlog {}\n", hex::encode(next.secret().expose()), next.log_id()));
        write_durably(&self.next_key(), text.expose(), 0o600)?;
        Ok(next)
    }

    /// The next key takes over: from here on it is the log key.
    pub(crate) fn take_over(&self) -> Result<(), OpenError> {
        let file = self.key();
        fs::rename(self.next_key(), &file)
            .and_then(|()| file.parent().map_or(Ok(()), sync_directory))
            .map_err(at(&file))
    }

    /// Adds a tenant's public key to the file of public keys, if it is not there yet.
    pub(crate) fn publish(&self, key: &VerifierKey) -> Result<(), OpenError> {
        let file = self.verifier_keys();
        let mut text = read(&file)?.unwrap_or_default();
        if text.lines().any(|line| line == key.as_str()) {
            return Ok(());
        }
        text.push_str(&format!("{key}\n"));
        write_durably(&file, &text, 0o644)
    }

    /// The public keys of a tenant's log.
    ///
    /// # Errors
    /// The file is missing, or holds no good key for this tenant.
    pub fn verifier_keys_of(&self, tenant: &TenantId) -> Result<VerifierKeys, OpenError> {
        let file = self.verifier_keys();
        let text = read(&file)?.ok_or(OpenError::Missing { file })?;
        Ok(VerifierKeys::read(&text, tenant)?)
    }

    /// The public key with which a tenant's log is signed now.
    ///
    /// # Errors
    /// The file is missing, or holds no good key for this tenant.
    pub fn verifier_key(&self, tenant: &TenantId) -> Result<VerifierKey, OpenError> {
        Ok(self.verifier_keys_of(tenant)?.newest().clone())
    }

    /// The newest checkpoint of a tenant's log, if one was signed.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn read_checkpoint(&self, tenant: &TenantId) -> Result<Option<String>, OpenError> {
        read(&self.checkpoint(tenant))
    }

    pub(crate) fn write_checkpoint(&self, tenant: &TenantId, note: &str) -> Result<(), OpenError> {
        write_durably(&self.checkpoint(tenant), note, 0o644)
    }
}

/// 64 hexadecimal digits; for a key that took over, the log in a second line.
fn read_key(file: PathBuf) -> Result<Option<LogKey>, OpenError> {
    let Some(text) = read(&file)? else { return Ok(None) };
    let text = Secret::new(text);
    let mut lines = text.expose().trim().lines();
    let mut bytes = [0_u8; 32];
    let digits = lines.next().unwrap_or_default().trim();
    hex::decode_to_slice(digits, &mut bytes).map_err(|_| OpenError::Key { file: file.clone() })?;
    let secret = Secret::new(bytes);
    match lines.next().map(|line| line.trim().strip_prefix("log ")) {
        None => Ok(Some(LogKey::from_secret(&secret))),
        Some(log) => {
            let key = log.and_then(|log| LogKey::of_log(&secret, log).ok());
            Ok(Some(key.ok_or(OpenError::Key { file })?))
        }
    }
}

fn read(file: &Path) -> Result<Option<String>, OpenError> {
    match fs::read_to_string(file) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(at(file)(error)),
    }
}

/// Writes beside, syncs, renames, syncs the directory: a reader finds the old text or the new one, also after a crash.
fn write_durably(file: &Path, text: &str, mode: u32) -> Result<(), OpenError> {
    let beside = file.with_extension("new");
    let write = || -> io::Result<()> {
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, mode);
        let mut opened = options.open(&beside)?;
        for_owner_alone(&beside, mode)?;
        opened.write_all(text.as_bytes())?;
        opened.sync_all()?;
        fs::rename(&beside, file)?;
        match file.parent() {
            Some(directory) => sync_directory(directory),
            None => Ok(()),
        }
    };
    write().map_err(at(file))
}

#[cfg(unix)]
fn for_owner_alone(path: &Path, mode: u32) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
}

#[cfg(not(unix))]
fn for_owner_alone(_: &Path, _: u32) -> io::Result<()> {
    Ok(())
}

#[cfg(unix)]
fn sync_directory(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

#[cfg(not(unix))]
fn sync_directory(_: &Path) -> io::Result<()> {
    Ok(())
}

fn at(file: &Path) -> impl FnOnce(io::Error) -> OpenError {
    let file = file.to_owned();
    move |source| OpenError::File { file, source }
}
