//! Processor time, as Linux tells it in `/proc/PID/stat` (proc(5)).

use anyhow::{Context, Result};

/// Ticks of the kernel's clock in a second: what `sysconf(_SC_CLK_TCK)` answers on every Linux that is in use.
const TICKS: f64 = 100.0;

/// What a process used so far, in seconds.
pub(super) fn of(pid: u32) -> Result<f64> {
    let path = format!("/proc/{pid}/stat");
    let stat = Stat::parse(&std::fs::read_to_string(&path).with_context(|| path.clone())?).with_context(|| path)?;
    Ok(stat.own / TICKS)
}

/// What a process and its children used so far, those that ended included, in seconds.
pub(super) fn of_family(pid: u32) -> Result<f64> {
    let mut ticks = 0.0;
    for entry in std::fs::read_dir("/proc").context("/proc")? {
        let entry = entry?;
        let Ok(number) = entry.file_name().to_string_lossy().parse::<u32>() else { continue };
        // One that ended since the folder was listed.
        let Ok(text) = std::fs::read_to_string(entry.path().join("stat")) else { continue };
        let Some(stat) = Stat::parse(&text) else { continue };
        if number == pid {
            ticks += stat.own + stat.children;
        } else if stat.parent == pid {
            ticks += stat.own;
        }
    }
    Ok(ticks / TICKS)
}

struct Stat {
    parent: u32,
    own: f64,
    children: f64,
}

impl Stat {
    fn parse(text: &str) -> Option<Self> {
        // The name in parentheses may hold anything; fields after it are numbered from 3.
        let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
        let ticks = |field: usize| -> Option<f64> { Some(f64::from(fields.get(field - 3)?.parse::<u32>().ok()?)) };
        Some(Self {
            parent: fields.get(1)?.parse().ok()?,
            own: ticks(14)? + ticks(15)?,
            children: ticks(16)? + ticks(17)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_parentheses_does_not_shift_the_fields() {
        let stat = Stat::parse("7 (a) b) S 5 6 7 8 9 10 11 12 13 14 100 50 20 10 0 0").unwrap();
        assert_eq!(stat.parent, 5);
        assert!((stat.own - 150.0).abs() < 1e-9 && (stat.children - 30.0).abs() < 1e-9);
    }
}
