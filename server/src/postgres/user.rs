//! Who PostgreSQL runs as: it refuses root, so root hands it to a user without rights.

use std::{
    os::unix::fs::{MetadataExt, PermissionsExt, chown},
    path::Path,
    process::Command,
};

use anyhow::{Context, Result, bail};

/// A user without rights.
#[derive(Clone, Copy, Debug)]
pub(super) struct Unprivileged {
    uid: u32,
    gid: u32,
}

impl Unprivileged {
    /// None when this process is not root and can run PostgreSQL itself.
    pub(super) fn needed() -> Result<Option<Self>> {
        // Who owns what this process makes is who it is: std does not tell, and that needs no unsafe code.
        let own = std::fs::metadata("/proc/self").context("/proc/self")?.uid();
        if own != 0 {
            return Ok(None);
        }
        for name in ["postgres", "nobody"] {
            if let Some(user) = Self::named(name)? {
                return Ok(Some(user));
            }
        }
        bail!(
            "PostgreSQL refuses to run as root, and there is neither a user postgres nor nobody. Start kubewise-server as another user"
        )
    }

    fn named(name: &str) -> Result<Option<Self>> {
        let passwd = std::fs::read_to_string("/etc/passwd").context("/etc/passwd")?;
        Ok(passwd.lines().find_map(|line| {
            let mut fields = line.split(':');
            (fields.next() == Some(name)).then_some(())?;
            let uid = fields.nth(1)?.parse().ok()?;
            let gid = fields.next()?.parse().ok()?;
            Some(Self { uid, gid })
        }))
    }

    /// Makes a command run as this user.
    pub(super) fn apply(self, command: &mut Command) {
        use std::os::unix::process::CommandExt;
        command.uid(self.uid).gid(self.gid);
    }

    /// Gives a folder to this user.
    pub(super) fn own(self, folder: &Path) -> Result<()> {
        chown(folder, Some(self.uid), Some(self.gid)).with_context(|| format!("{}", folder.display()))
    }

    /// Fails when a folder above cannot be passed by this user.
    pub(super) fn can_reach(self, folder: &Path) -> Result<()> {
        for above in folder.ancestors().skip(1) {
            let Ok(metadata) = std::fs::metadata(above) else { continue };
            let mode = metadata.permissions().mode();
            let passes = mode & 0o001 != 0
                || (metadata.uid() == self.uid && mode & 0o100 != 0)
                || (metadata.gid() == self.gid && mode & 0o010 != 0);
            if !passes {
                bail!(
                    "PostgreSQL must not run as root, and the user that it runs as instead cannot pass {}. \
                     Set KUBEWISE_DATA_DIR to a folder outside of it, such as /var/lib/kubewise; \
                     or start kubewise-server as another user",
                    above.display()
                );
            }
        }
        Ok(())
    }
}
