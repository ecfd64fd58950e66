//! Master keys held in the hand.

use deputy_core::Secret;
use deputy_hub::{MasterKeyFault, MasterKeys};
use deputy_vault::{KeyId, MasterKey};
use std::sync::Mutex;

/// The keys of a test, the current one first; none: the vault is sealed.
#[derive(Default)]
pub struct HeldMasterKeys(Mutex<Vec<String>>);

impl HeldMasterKeys {
    /// One fresh key.
    #[must_use]
    pub fn fresh() -> Self {
        let held = Self::default();
        held.take_up(&MasterKey::generate().unwrap());
        held
    }

    /// This key becomes the current one.
    pub fn take_up(&self, key: &MasterKey) {
        self.0.lock().unwrap().insert(0, key.text().expose().clone());
    }

    /// Only the current key stays.
    pub fn forget_old(&self) {
        self.0.lock().unwrap().truncate(1);
    }

    /// None stays.
    pub fn seal(&self) {
        self.0.lock().unwrap().clear();
    }

    fn keys(&self) -> Vec<MasterKey> {
        let texts = self.0.lock().unwrap();
        texts.iter().map(|text| MasterKey::read(&Secret::new(text.clone())).unwrap()).collect()
    }
}

impl MasterKeys for HeldMasterKeys {
    fn current(&self) -> Result<MasterKey, MasterKeyFault> {
        self.keys().into_iter().next().ok_or(MasterKeyFault::None)
    }

    fn with_id(&self, id: &KeyId) -> Result<MasterKey, MasterKeyFault> {
        let current = self.current()?;
        let found = self.keys().into_iter().find(|key| key.id() == *id);
        found.ok_or(MasterKeyFault::Other { needed: *id, found: current.id() })
    }
}
