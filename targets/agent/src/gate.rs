//! What may not come in on this machine.

use linux::net::{Gate, Namespace};
use std::collections::BTreeMap;
use std::net::IpAddr;

/// The name of our table in the kernel's packet filter. It belongs to this process: if it ends, however it does,
/// the kernel removes the table, and everything comes in again.
const TABLE: &str = "tribunal";

/// What may not come in on this machine. Nothing is touched before the first cut.
#[derive(Debug)]
pub struct Cuts {
    gate: Option<Gate>,
    spared: Vec<IpAddr>,
}

impl Cuts {
    /// Everything comes in, and from these addresses always will.
    pub fn new(spared: Vec<IpAddr>) -> Cuts {
        Cuts { gate: None, spared }
    }

    /// Nothing comes in from these addresses any more.
    ///
    /// # Errors
    /// If the controller is among them, or the kernel refuses; then nothing has changed.
    pub fn cut(&mut self, sources: &[IpAddr]) -> Result<(), String> {
        if let Some(ours) = sources.iter().find(|source| self.spared.contains(source)) {
            return Err(format!("{ours} is the controller's own address, which is never cut"));
        }
        self.gate()?.cut(sources).map_err(|why| why.to_string())
    }

    /// Everything comes in again. The empty table stays for the next cut: to remove it takes ten times longer.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub fn heal(&mut self) -> Result<(), String> {
        let Some(gate) = &mut self.gate else { return Ok(()) };
        let healed = gate.counts().and_then(|cut| gate.heal(&cut.into_keys().collect::<Vec<IpAddr>>()));
        healed.map_err(|why| why.to_string())
    }

    /// Everything comes in again, and the table is gone.
    pub fn close(&mut self) {
        self.gate = None;
    }

    /// How many packets were dropped since they were cut, by source.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub fn drops(&mut self) -> Result<BTreeMap<IpAddr, u64>, String> {
        match &mut self.gate {
            None => Ok(BTreeMap::new()),
            Some(gate) => gate.counts().map_err(|why| why.to_string()),
        }
    }

    fn gate(&mut self) -> Result<&mut Gate, String> {
        if self.gate.is_none() {
            self.gate = Some(open(TABLE)?);
        }
        Ok(self.gate.as_mut().expect("it was opened just now"))
    }
}

/// Whether cuts can be made here, found out by making a table and removing it.
///
/// # Errors
/// Why not, and what to do.
pub fn can() -> Result<(), String> {
    open(&format!("{TABLE}-probe")).map(|_| ())
}

fn open(table: &str) -> Result<Gate, String> {
    let here = Namespace::here().map_err(|why| format!("cannot find out which network this is: {why}"))?;
    Gate::open(&here, table).map_err(|why| match nix::unistd::geteuid().is_root() {
        true => format!("{why}; is the kernel 5.12 or later, with nf_tables?"),
        false => format!("{why}; log in as root, or use --sudo"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_controller_is_never_cut() {
        let controller: IpAddr = "10.55.0.254".parse().unwrap();
        let mut cuts = Cuts::new(vec![controller]);
        let why = cuts.cut(&["10.56.0.2".parse().unwrap(), controller]).unwrap_err();
        assert!(why.contains("10.55.0.254") && why.contains("never cut"), "{why}");
        assert_eq!(cuts.drops(), Ok(BTreeMap::new()), "nothing was touched");
    }
}
