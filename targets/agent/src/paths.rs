//! What comes in on this machine from the other nodes, and how.

use crate::words::Condition;
use linux::net::{Counts, Gate, Namespace, Policy};
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, UdpSocket};
use std::time::Duration;

/// The name of our table in the kernel's packet filter. It belongs to this process: if it ends, however it does,
/// the kernel removes the table, and everything comes in again.
const TABLE: &str = "tribunal";
/// The port at which nobody is expected to listen (RFC 863).
const DISCARD: u16 = 9;

/// What comes in on this machine, and how. Nothing is touched before the first fault.
#[derive(Debug)]
pub struct Paths {
    gate: Option<Gate>,
    spared: Vec<IpAddr>,
    heard: BTreeSet<IpAddr>,
}

impl Paths {
    /// Everything comes in, and from these addresses always will.
    pub fn new(spared: Vec<IpAddr>) -> Paths {
        Paths { gate: None, spared, heard: BTreeSet::new() }
    }

    /// From now on, what comes in from these addresses is treated like this. `seed` decides the dice.
    ///
    /// # Errors
    /// If the controller is to suffer, or the kernel refuses.
    pub fn set(&mut self, conditions: &BTreeMap<IpAddr, Condition>, seed: u64) -> Result<(), String> {
        let harmed = |condition: &Condition| *condition != Condition::default();
        let harmed = conditions.iter().filter(|(_, condition)| harmed(condition));
        if let Some((ours, _)) = harmed.clone().find(|(source, _)| self.spared.contains(source)) {
            return Err(format!("{ours} is the controller's own address, which is never cut"));
        }
        if self.gate.is_none() && harmed.count() == 0 {
            return Ok(());
        }
        let all = |which: &dyn Fn(&Condition) -> bool| -> Vec<IpAddr> {
            let these = conditions.iter().filter(|(_, condition)| which(condition));
            these.map(|(address, _)| *address).collect()
        };
        let (cut, open) = (all(&|condition| condition.cut), all(&|condition| !condition.cut));
        let mut policies: Vec<Policy> = Vec::new();
        for condition in conditions.values() {
            if !policies.contains(&condition.policy) {
                policies.push(condition.policy);
            }
        }
        let fresh: Vec<IpAddr> = all(&|_| true).into_iter().filter(|from| self.heard.insert(*from)).collect();
        let gate = self.gate()?;
        let done = gate.listen_to(&fresh).and_then(|()| gate.cut(&cut)).and_then(|()| gate.heal(&open));
        let done = done.and_then(|()| {
            let mut each = policies.into_iter();
            each.try_for_each(|policy| gate.impair(&all(&|it| it.policy == policy), policy, seed))
        });
        done.map_err(|why| why.to_string())
    }

    /// Everything comes in again, and the table is gone.
    pub fn close(&mut self) {
        self.gate = None;
        self.heard.clear();
    }

    /// What became of what came in from each address that was ever named.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub fn counts(&mut self) -> Result<BTreeMap<IpAddr, Counts>, String> {
        match &mut self.gate {
            None => Ok(BTreeMap::new()),
            Some(gate) => gate.tally().map_err(|why| why.to_string()),
        }
    }

    fn gate(&mut self) -> Result<&mut Gate, String> {
        if self.gate.is_none() {
            self.gate = Some(open(TABLE)?);
        }
        Ok(self.gate.as_mut().expect("it was opened just now"))
    }
}

/// Sends an empty datagram to each of these addresses.
///
/// # Errors
/// If it cannot be sent.
pub fn knock(from: IpAddr, at: &[IpAddr]) -> Result<(), String> {
    let socket = UdpSocket::bind((from, 0)).map_err(|why| format!("cannot send from {from}: {why}"))?;
    for address in at {
        let sent = socket.send_to(&[], (*address, DISCARD));
        sent.map_err(|why| format!("cannot send from {from} to {address}: {why}"))?;
    }
    Ok(())
}

/// Whether cuts can be made here, found out by making a table and removing it.
///
/// # Errors
/// Why not, and what to do.
pub fn can_cut() -> Result<(), String> {
    open(&format!("{TABLE}-cut")).map(|_| ())
}

/// Whether packets can be impaired here, found out by impairing what nobody sends.
///
/// # Errors
/// Why not, and what to do.
pub fn can_impair() -> Result<(), String> {
    let nobody: IpAddr = [192, 0, 2, 1].into();
    let policy = Policy { delay: Duration::from_millis(1), ..Policy::default() };
    let mut gate = open(&format!("{TABLE}-packets"))?;
    gate.impair(&[nobody], policy, 0)
        .map_err(|why| format!("{why}; does the kernel have nfnetlink_queue, and nft_queue or xt_NFQUEUE?"))
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
        let (controller, other): (IpAddr, IpAddr) = ([10, 55, 0, 254].into(), [10, 56, 0, 2].into());
        let mut paths = Paths::new(vec![controller]);
        let delay = Policy { delay: Duration::from_millis(1), ..Policy::default() };
        for harm in [Condition { cut: true, ..Condition::default() }, Condition { policy: delay, cut: false }]
        {
            let why = paths.set(&[(other, harm), (controller, harm)].into(), 0).unwrap_err();
            assert!(why.contains("10.55.0.254") && why.contains("never cut"), "{why}");
        }
        assert_eq!(paths.set(&[(controller, Condition::default())].into(), 0), Ok(()));
        assert_eq!(paths.counts(), Ok(BTreeMap::new()), "nothing was touched");
    }
}
