//! A value that cannot be printed, logged, cloned or serialized (invariant 8).

use zeroize::Zeroize;

/// Something only its user may see. It has no `Debug`, `Display`, `Clone` or `Serialize`, and is wiped on drop.
pub struct Secret<T: Zeroize>(T);

impl<T: Zeroize> Secret<T> {
    /// Wraps.
    pub const fn new(value: T) -> Self {
        Self(value)
    }

    /// The value, for the line of code that uses it up. Never pass it on.
    pub const fn expose(&self) -> &T {
        &self.0
    }
}

impl<T: Zeroize> Drop for Secret<T> {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}
