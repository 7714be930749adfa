//! The line to an agent on a host: orders go out, answers and news come in.
//!
//! One thread owns the connection, because libssh2 does one thing at a time. It never waits for one side only, and
//! asks for a sign of life every second: so the agent keeps its lease, and a dead connection is noticed.

use super::deploy::quoted;
use super::session::Connection;
use agent::words::{Answer, End, Hello, Order, Request, VERSION, Word};
use cluster::HarnessError;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use ssh2::{BlockDirections, Channel};
use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender, TryRecvError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// How often a sign of life is asked for.
const PULSE: Duration = Duration::from_secs(1);
/// How much longer than it may be silent an agent may take to answer.
const GRACE: Duration = Duration::from_secs(2);
/// How long an agent may take to repair everything and to end.
const FAREWELL: Duration = Duration::from_secs(5);

/// What an agent is started with.
#[derive(Debug, Clone)]
pub struct Errand {
    /// The program on the host.
    pub program: String,
    /// The node's directory there.
    pub home: String,
    /// The file that only one agent there may hold.
    pub lock: String,
    /// Whether to become root for it.
    pub sudo: bool,
    /// How long it may be silent.
    pub silence: Duration,
}

/// What is heard without being asked for.
#[derive(Debug)]
pub enum News {
    /// The node's process ended.
    Ended(End),
    /// The connection is no more, and everything on the host is being repaired by the agent itself.
    Lost(String),
}

type Reply = Sender<Result<Answer, String>>;

/// The line to an agent. When it is dropped the agent repairs everything and ends.
#[derive(Debug)]
pub struct Remote {
    /// Who the agent is.
    pub hello: Hello,
    orders: Option<Sender<(Request, Reply)>>,
    bell: UnixStream,
    limit: Duration,
    thread: Option<JoinHandle<()>>,
}

impl Remote {
    /// Starts an agent on the host. `tell` hears the news, in the thread of the line.
    ///
    /// # Errors
    /// If it does not start, or speaks another language.
    pub fn open(
        host: Connection,
        errand: &Errand,
        tell: impl Fn(News) + Send + 'static,
    ) -> Result<Remote, HarnessError> {
        let doing = format!("start the agent on {}", host.place());
        let failed = |why: &dyn std::fmt::Display| HarnessError::new(&doing, why);
        let mut channel = host.session.channel_session().map_err(|why| failed(&why))?;
        let Errand { program, home, lock, sudo, silence } = errand;
        let become_root = if *sudo { "sudo -n " } else { "" };
        let (program, home, lock) = (quoted(program), quoted(home), quoted(lock));
        let command = format!(
            "exec {become_root}{program} agent --guard --home {home} --lock {lock} --spare {} --lease {}",
            host.ours,
            silence.as_secs().max(1)
        );
        channel.exec(&command).map_err(|why| failed(&why))?;
        host.session.set_blocking(false);
        let (bell, listening) = UnixStream::pair().map_err(|why| failed(&why))?;
        for end in [&bell, &listening] {
            end.set_nonblocking(true).map_err(|why| failed(&why))?;
        }
        let mut wire = Wire {
            host,
            channel,
            bell: listening,
            incoming: Vec::new(),
            outgoing: Vec::new(),
            complaint: String::new(),
        };
        let hello = wire.greet(*silence).map_err(|why| {
            let error = failed(&why);
            if *sudo {
                error.advise("sudo must need no password there: it is called as sudo -n")
            } else {
                error
            }
        })?;
        let (orders, todo) = mpsc::channel();
        let line = Line { wire, todo, waiting: BTreeMap::new(), last: 0, silence: *silence };
        let thread =
            thread::Builder::new().name("line to an agent".to_owned()).spawn(move || line.serve(tell));
        let thread = thread.map_err(|why| failed(&why))?;
        let limit = *silence + GRACE;
        Ok(Remote { hello, orders: Some(orders), bell, limit, thread: Some(thread) })
    }

    /// Gives an order. The answer will come, if only to say that the connection is lost.
    pub fn order(&self, request: Request) -> Pending {
        let (reply, answer) = mpsc::channel();
        // Whoever hears nothing at all knows that it is lost.
        let ordered = self.orders.as_ref().map(|orders| orders.send((request, reply)));
        if matches!(ordered, Some(Ok(()))) {
            // If the bell's buffer is full, it rings already.
            let _rings = (&self.bell).write(&[0]);
        }
        Pending { answer, limit: self.limit }
    }

    /// Gives an order and waits for the answer.
    ///
    /// # Errors
    /// Why it was not obeyed.
    pub fn ask(&self, request: Request) -> Result<Answer, String> {
        self.order(request).wait()
    }
}

/// An order that was given.
#[derive(Debug)]
pub struct Pending {
    answer: Receiver<Result<Answer, String>>,
    limit: Duration,
}

impl Pending {
    /// Waits for the answer.
    ///
    /// # Errors
    /// Why the order was not obeyed.
    pub fn wait(self) -> Result<Answer, String> {
        match self.answer.recv_timeout(self.limit) {
            Ok(answer) => answer,
            Err(RecvTimeoutError::Disconnected) => Err("the connection to its host is lost".to_owned()),
            Err(RecvTimeoutError::Timeout) => {
                Err(format!("its agent does not answer within {} s", self.limit.as_secs()))
            }
        }
    }
}

impl Drop for Remote {
    fn drop(&mut self) {
        self.orders = None;
        let _gone = self.bell.shutdown(Shutdown::Both);
        if let Some(thread) = self.thread.take()
            && thread.thread().id() != thread::current().id()
        {
            // It panics only if we have a bug, and says so itself.
            let _panicked = thread.join();
        }
    }
}

/// The connection, and what is half said on it.
struct Wire {
    host: Connection,
    channel: Channel,
    bell: UnixStream,
    incoming: Vec<u8>,
    outgoing: Vec<u8>,
    complaint: String,
}

impl Wire {
    /// Waits for the agent's first word.
    fn greet(&mut self, limit: Duration) -> Result<Hello, String> {
        let deadline = Instant::now() + limit;
        while Instant::now() < deadline {
            match self.hear()?.into_iter().next() {
                Some(Word::Hello(hello)) if hello.version == VERSION => return Ok(hello),
                Some(Word::Hello(hello)) => {
                    return Err(format!(
                        "it speaks version {} of our language, not {VERSION}",
                        hello.version
                    ));
                }
                Some(other) => return Err(format!("it did not say hello but {other:?}")),
                None => self.wait(Duration::from_millis(50)),
            }
        }
        Err(format!("it says nothing within {} s; {}", limit.as_secs(), self.complaint.trim()))
    }

    /// Everything that has arrived.
    fn hear(&mut self) -> Result<Vec<Word>, String> {
        drain(&mut self.channel.stderr(), |bytes| {
            self.complaint = format!("{}{}", self.complaint, String::from_utf8_lossy(bytes));
        })?;
        drain(&mut self.channel, |bytes| self.incoming.extend_from_slice(bytes))?;
        let mut words = Vec::new();
        while let Some(end) = self.incoming.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.incoming.drain(..=end).collect();
            // A login shell may greet as well; its words are not the agent's.
            match serde_json::from_slice(&line) {
                Ok(word) => words.push(word),
                Err(_) => self.complaint = String::from_utf8_lossy(&line).into_owned(),
            }
        }
        if words.is_empty() && self.channel.eof() {
            let said = self.complaint.trim();
            return Err(if said.is_empty() { "it hung up".to_owned() } else { said.to_owned() });
        }
        Ok(words)
    }

    /// Sends as much as the connection takes.
    fn speak(&mut self) -> Result<(), String> {
        while !self.outgoing.is_empty() {
            match self.channel.write(&self.outgoing) {
                Ok(length) => drop(self.outgoing.drain(..length)),
                Err(why) if why.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(why) => return Err(why.to_string()),
            }
        }
        Ok(())
    }

    /// Waits until there may be something to do.
    fn wait(&mut self, limit: Duration) {
        let blocked = self.host.session.block_directions();
        let writes = matches!(blocked, BlockDirections::Outbound | BlockDirections::Both);
        let mut events = PollFlags::POLLIN;
        events.set(PollFlags::POLLOUT, writes);
        let wire = PollFd::new(self.host.socket.as_fd(), events);
        let bell = PollFd::new(self.bell.as_fd(), PollFlags::POLLIN);
        let limit = PollTimeout::try_from(limit).unwrap_or(PollTimeout::MAX);
        // Woken too early by a signal, we look, and wait again.
        let _woken = poll(&mut [wire, bell], limit);
        let mut rung = [0; 64];
        while matches!((&self.bell).read(&mut rung), Ok(64)) {}
    }

    /// Lets the agent repair everything, and waits until it has.
    fn leave(mut self) {
        self.host.session.set_blocking(true);
        self.host.session.set_timeout(u32::try_from(FAREWELL.as_millis()).unwrap_or(u32::MAX));
        let left = self.channel.send_eof().and_then(|()| self.channel.wait_eof());
        if let Err(why) = left.and_then(|()| self.channel.close()).and_then(|()| self.channel.wait_close()) {
            tracing::warn!("{}: the agent did not say goodbye: {why}", self.host.place());
        }
    }
}

fn drain(source: &mut impl Read, mut take: impl FnMut(&[u8])) -> Result<(), String> {
    let mut bytes = [0; 16 << 10];
    loop {
        match source.read(&mut bytes) {
            Ok(0) => return Ok(()),
            Ok(length) => take(&bytes[..length]),
            Err(why) if why.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            Err(why) => return Err(why.to_string()),
        }
    }
}

/// The thread's own: the connection, and who waits for what.
struct Line {
    wire: Wire,
    todo: Receiver<(Request, Reply)>,
    waiting: BTreeMap<u64, Reply>,
    last: u64,
    silence: Duration,
}

impl Line {
    fn serve(mut self, tell: impl Fn(News)) {
        match self.carry(&tell) {
            Ok(()) => self.wire.leave(),
            Err(why) => {
                tell(News::Lost(why.clone()));
                for (_, reply) in std::mem::take(&mut self.waiting) {
                    // Whoever asked may have stopped waiting.
                    let _unheard = reply.send(Err(format!("the connection to its host is lost: {why}")));
                }
            }
        }
    }

    /// Carries words until nobody gives orders any more; what ended it otherwise.
    fn carry(&mut self, tell: &impl Fn(News)) -> Result<(), String> {
        let (mut heard, mut pulse) = (Instant::now(), Instant::now());
        loop {
            for word in self.wire.hear()? {
                heard = Instant::now();
                match word {
                    Word::Answer { id, answer } => {
                        if let Some(reply) = self.waiting.remove(&id) {
                            let _unheard = reply.send(answer);
                        }
                    }
                    Word::Ended(end) => tell(News::Ended(end)),
                    Word::Hello(_) => {}
                }
            }
            if heard.elapsed() > self.silence {
                return Err(format!("nothing was heard of it for {} s", self.silence.as_secs()));
            }
            loop {
                match self.todo.try_recv() {
                    Ok((request, reply)) => {
                        let id = self.order(request);
                        self.waiting.insert(id, reply);
                    }
                    Err(TryRecvError::Empty) => break,
                    Err(TryRecvError::Disconnected) => return Ok(()),
                }
            }
            if pulse.elapsed() >= PULSE {
                pulse = Instant::now();
                self.order(Request::Ping);
            }
            self.wire.speak()?;
            self.wire.wait(PULSE.saturating_sub(pulse.elapsed()));
        }
    }

    fn order(&mut self, request: Request) -> u64 {
        self.last += 1;
        let order = Order { id: self.last, request };
        let line = serde_json::to_vec(&order).expect("an order is plain data");
        self.wire.outgoing.extend(line);
        self.wire.outgoing.push(b'\n');
        self.last
    }
}
