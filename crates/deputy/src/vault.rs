//! The vault's master key in its file or credential, and the vault over it.
//!
//! The key is read at each use and kept nowhere. In a rotation the next key stands beside the current one as `….next` until
//! everything is sealed under it; each is found by its id, so that a crash in between leaves every secret readable (VLT-05).

use crate::settings::{MasterKeyPlace, Settings, environment};
use deputy_core::Secret;
use deputy_hub::ports::SealedSecrets;
use deputy_hub::{MasterKeyFault, MasterKeys, Vault};
use deputy_vault::{KeyId, MasterKey, SealedTenantKey};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// More than a key and its line end is no key.
const LONGEST: u64 = 4096;

/// The vault of a configuration, over these tables.
#[must_use]
pub fn vault(settings: &Settings, table: Arc<dyn SealedSecrets>) -> Vault {
    Vault::new(table, Arc::new(MasterKeyFile::of(settings)))
}

/// Where the master key is read.
#[derive(Debug, Clone)]
pub struct MasterKeyFile {
    place: Option<MasterKeyPlace>,
    data_dir: PathBuf,
}

impl MasterKeyFile {
    /// As a configuration says.
    #[must_use]
    pub fn of(settings: &Settings) -> Self {
        Self { place: settings.vault.clone(), data_dir: settings.hub.data_dir.clone() }
    }

    /// The file of a configuration that names one.
    ///
    /// # Errors
    /// There is none, or it is a credential, which only its own keeper can replace.
    pub fn path(&self) -> Result<&Path, MasterKeyFault> {
        match &self.place {
            None => Err(MasterKeyFault::None),
            Some(MasterKeyPlace::File(path)) => Ok(path),
            Some(MasterKeyPlace::Credential(name)) => Err(MasterKeyFault::Unusable(format!(
                "`{name}` is a credential, and only a file can be replaced here\n  mend: put the key into a file, name that as `master_key`, and rotate it there"
            ))),
        }
    }

    /// The key that is about to take over: the one that a rotation left behind, or a new one.
    ///
    /// # Errors
    /// The file cannot be read or made.
    pub fn next(&self) -> Result<MasterKey, MasterKeyFault> {
        let path = next_to(self.path()?);
        match self.read(&path)? {
            Some(key) => Ok(key),
            None => make(&path),
        }
    }

    /// The next key takes over, in one step.
    ///
    /// # Errors
    /// The file cannot be renamed.
    pub fn take_over(&self) -> Result<(), MasterKeyFault> {
        let path = self.path()?;
        fs::rename(next_to(path), path)
            .and_then(|()| sync_folder(path))
            .map_err(|error| unusable(path, &error))
    }

    /// Ends a rotation that stopped before its last step: everything is under the next key already.
    ///
    /// # Errors
    /// A file cannot be read or renamed.
    pub fn settle(&self, keys: &[SealedTenantKey]) -> Result<(), MasterKeyFault> {
        let Some(MasterKeyPlace::File(path)) = &self.place else { return Ok(()) };
        let Some(next) = self.read(&next_to(path))? else { return Ok(()) };
        if !keys.is_empty() && keys.iter().all(|key| key.under == next.id()) {
            return self.take_over();
        }
        Ok(())
    }

    /// `None`: there is no such file.
    fn read(&self, path: &Path) -> Result<Option<MasterKey>, MasterKeyFault> {
        let mut file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(unusable(path, &error)),
        };
        self.refuse_careless(path, &file)?;
        // Room from the beginning: a buffer that grew would leave a copy behind.
        let mut text = zeroize::Zeroizing::new(String::with_capacity(usize::try_from(LONGEST).unwrap_or(0)));
        Read::by_ref(&mut file)
            .take(LONGEST)
            .read_to_string(&mut text)
            .map_err(|error| unusable(path, &error))?;
        let key = MasterKey::read(&Secret::new(std::mem::take(&mut *text)));
        key.map(Some).map_err(|error| {
            MasterKeyFault::Unusable(format!(
                "`{}`: {error}\n  mend: put the right file back",
                path.display()
            ))
        })
    }

    /// A key that others can read may be known; one beside the database is in every backup of it (VLT-06).
    fn refuse_careless(&self, path: &Path, file: &File) -> Result<(), MasterKeyFault> {
        let is_file = matches!(self.place, Some(MasterKeyPlace::File(_)));
        let mode = file.metadata().map_err(|error| unusable(path, &error))?.permissions().mode() & 0o777;
        if is_file && mode & 0o077 != 0 {
            let path = path.display();
            return Err(MasterKeyFault::Unusable(format!(
                "`{path}` can be read by others (mode {mode:o})\n  mend: `chmod 600 {path}`, then `deputy vault rotate --master-key`, for it may be known"
            )));
        }
        let inside = match (path.canonicalize(), self.data_dir.canonicalize()) {
            (Ok(path), Ok(data_dir)) => path.starts_with(data_dir),
            _ => false,
        };
        if inside {
            return Err(MasterKeyFault::Unusable(format!(
                "`{}` lies in the data directory\n  mend: keep it elsewhere, so that no copy of the database holds its key",
                path.display()
            )));
        }
        Ok(())
    }
}

impl MasterKeys for MasterKeyFile {
    fn current(&self) -> Result<MasterKey, MasterKeyFault> {
        let path = match &self.place {
            None => return Err(MasterKeyFault::None),
            Some(MasterKeyPlace::File(path)) => path.clone(),
            Some(MasterKeyPlace::Credential(name)) => environment::credentials()
                .ok_or_else(|| {
                    MasterKeyFault::Unusable(format!(
                        "the credential `{name}` is not there, for systemd handed over none\n  mend: add `LoadCredential={name}:FILE` to the service; on a terminal use `systemd-run -p LoadCredential=…`"
                    ))
                })?
                .join(name),
        };
        self.read(&path)?.ok_or_else(|| {
            MasterKeyFault::Unusable(format!(
                "there is no `{}`\n  mend: put it back from where you keep a copy; for a new vault `deputy vault key {0}`",
                path.display()
            ))
        })
    }

    fn with_id(&self, id: &KeyId) -> Result<MasterKey, MasterKeyFault> {
        let current = self.current()?;
        if current.id() == *id {
            return Ok(current);
        }
        let next = match &self.place {
            Some(MasterKeyPlace::File(path)) => self.read(&next_to(path))?,
            _ => None,
        };
        let found = current.id();
        next.filter(|next| next.id() == *id).ok_or(MasterKeyFault::Other { needed: *id, found })
    }
}

/// Makes a new key in a new file, for its owner alone.
///
/// # Errors
/// There is such a file already, or it cannot be written.
pub fn make(path: &Path) -> Result<MasterKey, MasterKeyFault> {
    let key = MasterKey::generate().map_err(|error| MasterKeyFault::Unusable(error.to_string()))?;
    let text = Secret::new(format!("{}\n", key.text().expose()));
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .and_then(|mut file| file.write_all(text.expose().as_bytes()).and_then(|()| file.sync_all()))
        .and_then(|()| sync_folder(path))
        .map_err(|error| unusable(path, &error))?;
    Ok(key)
}

fn next_to(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".next");
    PathBuf::from(name)
}

fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}

fn unusable(path: &Path, error: &io::Error) -> MasterKeyFault {
    MasterKeyFault::Unusable(format!("`{}`: {error}", path.display()))
}

#[cfg(test)]
mod tests;
