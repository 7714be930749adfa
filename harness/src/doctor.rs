//! `tribunal doctor`: what can be broken here, what cannot, and what to do about it.

use crate::args::{DoctorArgs, Target};
use crate::exit::Exit;
use crate::report;
use crate::target::{self, Deployment};
use clap::ValueEnum;
use history::{Chance, FaultKind};
use live::ssh::NEEDS_SPARES;
use std::fmt::Write;

/// Looks at each target, or at one, and prints a table.
pub fn doctor(args: &DoctorArgs) -> Exit {
    // Hosts are asked when they are named.
    let usual =
        |target: &Target| *target != Target::Auto && (*target != Target::Ssh || args.ssh.hosts.is_some());
    let all = || Target::value_variants().iter().copied().filter(usual).collect();
    let targets = args.on.map_or_else(all, |target| vec![target]);
    let mut page = String::new();
    let mut well = true;
    for target in targets {
        well &=
            if target == Target::Ssh { inquire(args, &mut page) } else { examine(target, args, &mut page) };
    }
    report::print(&page);
    if well { Exit::Valid } else { Exit::Unknown }
}

/// Adds the rows of one target; says whether it can be used at all.
fn examine(target: Target, args: &DoctorArgs, page: &mut String) -> bool {
    let engine = target::engine(&args.engine);
    let target = match target::settle(target) {
        Ok((target, _)) => target,
        Err(error) => {
            let _ = writeln!(page, "{:7} cannot be used: {error}", target.name());
            return false;
        }
    };
    if target == Target::Docker
        && let Err(why) = engine.can()
    {
        let _ = writeln!(page, "{:7} cannot be used: {why}", target.name());
        return false;
    }
    let deployment = Deployment {
        target,
        system: "raft".to_owned(),
        nodes: 5,
        spares: crate::target::SPARES,
        flaw: None,
        retry: false,
        chance: Chance::new(0),
        lossy_disks: linux::disk::can().is_ok(),
        engine: engine.clone(),
        ssh: args.ssh.clone(),
        home: std::env::temp_dir(),
    };
    let name = target.name();
    match deployment.prepare() {
        Err(error) => {
            let _ = writeln!(page, "{name:7} cannot be used: {error}");
            false
        }
        Ok(cluster) => {
            for (kind, able) in cluster.abilities().faults {
                let (can, why) = match &able {
                    Ok(()) => ("can", ""),
                    Err(why) => ("cannot", why.as_str()),
                };
                let _ = writeln!(page, "{name:7} {:10} {can:7} {why}", kind.name());
            }
            true
        }
    }
}

/// Asks each host.
fn inquire(args: &DoctorArgs, page: &mut String) -> bool {
    let options = target::ssh_options(&args.ssh, &target::engine(&args.engine));
    let probed = target::hosts(&args.ssh).and_then(|hosts| {
        let spares = args.nodes.map_or(Ok(0), |nodes| target::spare_hosts(&args.ssh, nodes))?;
        Ok((spares, live::ssh::probe(&hosts, &options)?))
    });
    match probed {
        Err(error) => {
            let _ = writeln!(page, "ssh     cannot be used: {error}");
            false
        }
        Ok((spares, rows)) => {
            for mut row in rows {
                if row.fault == FaultKind::Members && spares == 0 && row.able.is_ok() {
                    row.able = Err(NEEDS_SPARES.to_owned());
                }
                let (can, why) = match &row.able {
                    Ok(()) => ("can", ""),
                    Err(why) => ("cannot", why.as_str()),
                };
                let _ = writeln!(page, "ssh {:10} {:10} {can:7} {why}", row.host, row.fault.name());
            }
            true
        }
    }
}
