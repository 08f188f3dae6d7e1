//! The directory that both containers see: `/charm/containers/<name>` in the charm's, `/charm/container` in the workload.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

use anyhow::Result;

use super::{Pod, own_user};

impl Pod {
    /// Closes the directory that the containers share to all users but root, as a cluster may have it; `false` when that
    /// makes no difference, because there is one user only.
    pub fn close_shared(&self) -> Result<bool> {
        fs::set_permissions(self.directory.join("shared"), Permissions::from_mode(0o700))?;
        Ok(own_user().is_none())
    }

    /// What lies in the directory that the containers share.
    pub fn shared(&self) -> Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(self.directory.join("shared"))? {
            names.push(entry?.file_name().to_string_lossy().into_owned());
        }
        Ok(names)
    }
}
