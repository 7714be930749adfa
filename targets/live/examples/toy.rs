//! The smallest system there is, for this crate's tests: every node keeps a number of its own, and n1 leads.
//!
//! `toy n2 READY PARENT ADDRESS PORT PORT PORT PEER…`; clients say `read` or `write N`. Writing 666 kills it, and 777 is never answered.

use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::Signal;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicI64, Ordering};
use std::thread;
use std::time::Duration;

static NUMBER: AtomicI64 = AtomicI64::new(0);

/// The command line of the agent.
#[derive(clap::Parser)]
enum Deployed {
    Agent(agent::AgentArgs),
}

fn main() -> std::io::Result<()> {
    let args: Vec<String> = std::env::args().collect();
    // On another machine it is also what the real program is there: the agent.
    match args.get(1).map(String::as_str) {
        Some("agent") => {
            let Deployed::Agent(agent) = <Deployed as clap::Parser>::parse();
            std::process::exit(i32::from(agent::run(&agent) != std::process::ExitCode::SUCCESS));
        }
        Some("--version") => return writeln!(std::io::stdout(), "toy"),
        _ => {}
    }
    let [_, me, ready, parent, listen, ours @ ..] = &args[..] else {
        eprintln!("toy: nobody told me who I am");
        std::process::exit(2);
    };
    set_pdeathsig(Signal::SIGKILL)?;
    if nix::unistd::getppid().to_string() != *parent {
        std::process::exit(1);
    }
    let (ports, peers) = ours.split_at_checked(3).expect("three ports");
    for peer in peers {
        let peer = peer.clone();
        thread::spawn(move || chatter(&peer));
    }
    let open = |port: &String| TcpListener::bind(format!("{listen}:{port}")).expect("a port");
    let [peers, clients, control] = [0, 1, 2].map(|door| open(&ports[door]));
    let address = |listener: &TcpListener| listener.local_addr().expect("an address").to_string();
    let doors = [address(&peers), address(&clients), address(&control)].join("\n");
    let leads = me == "n1";
    thread::spawn(move || {
        each(&peers, |mut peer| std::io::copy(&mut peer, &mut std::io::sink()).map(|_| ()))
    });
    thread::spawn(move || each(&control, move |mut asker| asker.write_all(&[u8::from(leads)])));
    std::fs::write(format!("{ready}.draft"), doors)?;
    std::fs::rename(format!("{ready}.draft"), ready)?;
    each(&clients, move |client| serve(&client, leads));
    Ok(())
}

fn each(listener: &TcpListener, serve: impl Fn(TcpStream) -> std::io::Result<()> + Copy + Send + 'static) {
    for stream in listener.incoming().flatten() {
        thread::spawn(move || serve(stream));
    }
}

/// Says one-byte messages to a peer all the time.
fn chatter(peer: &str) {
    loop {
        if let Ok(mut stream) = TcpStream::connect(peer) {
            while stream.write_all(&[0, 0, 0, 1, 42]).is_ok() {
                thread::sleep(Duration::from_millis(5));
            }
        }
        thread::sleep(Duration::from_millis(5));
    }
}

fn serve(client: &TcpStream, leads: bool) -> std::io::Result<()> {
    let mut answers = client;
    for line in BufReader::new(client).lines() {
        let line = line?;
        match line.strip_prefix("write ").map(str::parse::<i64>) {
            _ if !leads => answers.write_all(b"ask n1\n")?,
            Some(Ok(666)) => {
                eprintln!("the number of the beast");
                std::process::exit(3);
            }
            Some(Ok(777)) => {}
            Some(Ok(number)) => {
                NUMBER.store(number, Ordering::SeqCst);
                answers.write_all(b"done\n")?;
            }
            _ => answers.write_all(format!("{}\n", NUMBER.load(Ordering::SeqCst)).as_bytes())?,
        }
    }
    Ok(())
}
