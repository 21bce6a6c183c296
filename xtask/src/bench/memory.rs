//! A process's memory, as Linux tells it in `/proc/PID/status` (proc(5)).

use anyhow::{Context, Result};

/// Resident memory, in MiB.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Memory {
    /// Now.
    pub(super) resident: f64,
    /// The most it was, since the start or since [`forget_peak`].
    pub(super) peak: f64,
}

pub(super) fn of(pid: u32) -> Result<Memory> {
    let path = format!("/proc/{pid}/status");
    parse(&std::fs::read_to_string(&path).with_context(|| path.clone())?).with_context(|| path)
}

/// From now on the peak is counted anew.
pub(super) fn forget_peak(pid: u32) -> Result<()> {
    let path = format!("/proc/{pid}/clear_refs");
    std::fs::write(&path, "5").with_context(|| path)
}

fn parse(status: &str) -> Option<Memory> {
    let value = |name: &str| -> Option<f64> {
        let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
        let kibibytes: u32 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
        Some(f64::from(kibibytes) / 1024.0)
    };
    Some(Memory { resident: value("VmRSS")?, peak: value("VmHWM")? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_lines_are_read() {
        let status = "Name:\tserver\nVmPeak:\t  9999 kB\nVmHWM:\t    4096 kB\nVmRSS:\t    2048 kB\n";
        assert_eq!(parse(status), Some(Memory { resident: 2.0, peak: 4.0 }));
        assert_eq!(parse("Name:\tzombie\n"), None);
    }
}
