//! `tribunal clean`: removes what killed runs have left, and undoes what they have done.
//!
//! Runs that end, however they end, clean up after themselves, and namespaces vanish with the process that made
//! them. What a SIGKILL of the controller leaves is a mount of a lossy disk, whose filesystem died with it, what the
//! container engine keeps, and what was done to containers of the user; its warden sees to that, unless it was killed as
//! well.

use crate::args::CleanArgs;
use crate::exit::Exit;
use crate::report;
use crate::target;
use std::fmt::Write;

/// Removes what is ours and nobody's any more, undoes what was done to others, and says what that was.
pub fn clean(args: &CleanArgs) -> Exit {
    let (mut page, mut failed) = (String::new(), false);
    let mut say = |done: Result<String, String>| match done {
        Ok(what) => drop(writeln!(page, "{what}")),
        Err(why) => {
            failed = true;
            report::warn(&why);
        }
    };
    match linux::disk::leftovers() {
        Ok(mounts) => mounts.iter().for_each(|mount| {
            let removed =
                linux::disk::clean(mount).map(|()| format!("removed the mount {}", mount.display()));
            say(removed.map_err(|why| why.to_string()));
        }),
        Err(why) => say(Err(why.to_string())),
    }
    for group in live::clean_groups() {
        let dissolved = group.map(|group| format!("removed the control group {}", group.display()));
        say(dissolved.map_err(|why| why.to_string()));
    }
    for guest in live::clean_guests() {
        say(guest.map(|name| format!("undone what was done to the container {name}")));
    }
    let engine = target::engine(&args.engine);
    if args.ssh.hosts.is_some() {
        let options = target::ssh_options(&args.ssh, &engine);
        let cleaned = target::hosts(&args.ssh).and_then(|hosts| live::ssh::clean(&hosts, &options));
        say(cleaned
            .map(|()| "removed what was ours on the hosts".to_owned())
            .map_err(|error| error.to_string()));
    }
    match engine.clean() {
        Ok(names) => names.into_iter().for_each(|name| say(Ok(format!("removed {name}")))),
        // Where there is no engine, there are no containers.
        Err(error) => drop(writeln!(page, "containers were not looked at: {error}")),
    }
    report::print(if page.is_empty() { "nothing was left\n" } else { &page });
    if failed { Exit::Harness } else { Exit::Valid }
}
