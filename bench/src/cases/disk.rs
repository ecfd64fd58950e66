//! What the disk itself takes: 4 KiB written and synced, over and over. Everything durable is bounded by it.

use crate::Result;
use crate::numbers::{Samples, Sorted};
use std::fs::File;
use std::io::{Seek as _, Write as _};
use std::path::Path;

/// How long a write of 4 KiB and its `fdatasync` take in this directory.
pub(super) fn sync(folder: &Path, times: usize) -> Result<Sorted> {
    std::fs::create_dir_all(folder)?;
    let mut file: File = tempfile::tempfile_in(folder)?;
    file.write_all(&[0; 4096])?;
    file.sync_all()?;
    let mut samples = Samples::default();
    for _ in 0..times {
        samples.time(|| {
            file.rewind()?;
            file.write_all(&[7; 4096])?;
            file.sync_data()
        })?;
    }
    Ok(samples.sorted())
}
