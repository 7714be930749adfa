//! The reference node: `tribunal node …`, one process per member.

use crate::frames;
use cluster::{Addresses, Answer, Client, Clock, Connecting, Framing, Launch, Ports, Seat, Standing, System};
use history::{Call, CallKind, Change, Doubt, Outcome, Ticket};
use protocols::catalog;
use protocols::rpc::{self, Doors, Report, Request, Response};
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::Pin;
use tokio::io::{AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

/// The reference node with one protocol.
#[derive(Debug, Clone)]
pub struct Reference {
    program: PathBuf,
    protocol: String,
    flaw: Option<String>,
    insists: bool,
}

impl Reference {
    /// The executable `program`, whose `node` command is the reference node, running `protocol`, with a bug if
    /// one is named.
    pub fn new(program: PathBuf, protocol: String, flaw: Option<String>) -> Reference {
        Reference { program, protocol, flaw, insists: false }
    }

    /// Its clients send a call again if they heard nothing, or do not.
    #[must_use]
    pub fn insisting(self, insists: bool) -> Reference {
        Reference { insists, ..self }
    }
}

impl System for Reference {
    fn name(&self) -> String {
        self.protocol.clone()
    }

    fn serves(&self) -> Vec<CallKind> {
        catalog::lookup(&self.protocol).map_or_else(Vec::new, |entry| entry.serves.to_vec())
    }

    fn insists(&self) -> bool {
        self.insists
    }

    fn framing(&self) -> Framing {
        Framing::LengthPrefixed
    }

    fn launch(&self, seat: &Seat) -> Launch {
        let mut args = vec!["node".to_owned()];
        let mut give = |name: &str, value: String| args.extend([format!("--{name}"), value]);
        give("id", seat.node.to_string());
        give("protocol", self.protocol.clone());
        give("data", seat.data.display().to_string());
        give("ready", seat.ready.display().to_string());
        give("seed", seat.seed.to_string());
        give("parent", seat.parent.to_string());
        give("listen", seat.listen.to_string());
        let Ports { peers, clients, control } = seat.ports;
        give("ports", format!("{peers},{clients},{control}"));
        seat.peers.iter().for_each(|(node, address)| give("peer", format!("{node}={address}")));
        seat.spares.iter().for_each(|node| give("spare", node.to_string()));
        if let Some(flaw) = &self.flaw {
            give("flaw", flaw.clone());
        }
        Launch { program: self.program.clone(), args, env: Vec::new() }
    }

    fn addresses(&self, seat: &Seat) -> io::Result<Option<Addresses>> {
        let text = match std::fs::read_to_string(&seat.ready) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let Doors { peers, clients, control } = text.parse().map_err(io::Error::other)?;
        Ok(Some(Addresses { peers, clients, control }))
    }

    fn connect(&self, address: SocketAddr) -> Connecting {
        Box::pin(async move {
            let stream = TcpStream::connect(address).await?;
            stream.set_nodelay(true)?;
            Ok(Box::new(Connection { stream: BufReader::new(stream), asked: 0 }) as Box<dyn Client>)
        })
    }

    fn can_change(&self) -> bool {
        true
    }

    fn wish(&self, address: SocketAddr, change: Change) -> Answer<bool> {
        Box::pin(async move {
            let wish = async {
                let mut stream = TcpStream::connect(address).await?;
                let _before: Report = frames::read(&mut stream).await?;
                let wish = rpc::frame(&change).map_err(|_| io::Error::other("a wish is short"))?;
                stream.write_all(&wish).await?;
                frames::read::<Report>(&mut stream).await
            };
            wish.await.is_ok()
        })
    }

    fn standing(&self, address: SocketAddr) -> Answer<Option<Standing>> {
        Box::pin(async move {
            let mut stream = TcpStream::connect(address).await.ok()?;
            let report: Report = frames::read(&mut stream).await.ok()?;
            let monotonic_ns = i64::try_from(report.monotonic_ns).unwrap_or(i64::MAX);
            let clock = Some(Clock { wall_ns: report.wall_ns, monotonic_ns });
            Some(Standing { primary: report.leads, term: report.term, clock, members: report.members })
        })
    }
}

/// A client's connection.
struct Connection {
    stream: BufReader<TcpStream>,
    asked: u64,
}

impl Client for Connection {
    fn call(&mut self, ticket: Ticket, call: &Call) -> Pin<Box<dyn Future<Output = Outcome> + Send + '_>> {
        self.asked += 1;
        let request = rpc::frame(&Request { id: self.asked, ticket, call: call.clone() });
        Box::pin(async move {
            let answer = match request {
                Ok(request) => self.exchange(&request).await,
                Err(length) => Err(io::Error::other(format!("a request of {length} bytes"))),
            };
            // Once anything may have left, no error proves that nothing happened.
            answer.unwrap_or_else(|error| Outcome::Unknown(doubt(&error)))
        })
    }
}

impl Connection {
    async fn exchange(&mut self, request: &[u8]) -> io::Result<Outcome> {
        self.stream.write_all(request).await?;
        let Response { id, outcome } = frames::read(&mut self.stream).await?;
        let expected = self.asked;
        let ours = id == expected;
        ours.then_some(outcome).ok_or_else(|| {
            io::Error::new(io::ErrorKind::InvalidData, format!("answer {id} to request {expected}"))
        })
    }
}

fn doubt(error: &io::Error) -> Doubt {
    match error.kind() {
        io::ErrorKind::InvalidData | io::ErrorKind::Other => Doubt::Other(error.to_string()),
        _ => Doubt::Disconnected,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use history::{Key, NodeId, ProcessId, Reply, Value};
    use tokio::io::AsyncReadExt;
    use tokio::net::TcpListener;

    fn reference() -> Reference {
        Reference::new("tribunal".into(), "raft".to_owned(), Some("double-vote".to_owned()))
    }

    fn seat() -> Seat {
        Seat {
            node: NodeId(1),
            peers: vec![(NodeId(2), "127.0.0.1:9".parse().unwrap())],
            spares: vec![NodeId(2)],
            data: "d".into(),
            ready: "r".into(),
            seed: 7,
            listen: "10.0.0.1".parse().unwrap(),
            ports: Ports { peers: 1, clients: 2, control: 3 },
            parent: 4,
        }
    }

    /// A server that reads one request and says `answer`, then hangs up.
    async fn server(answer: Vec<u8>) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let _request: Request = frames::read(&mut stream).await.unwrap();
            stream.write_all(&answer).await.unwrap();
            stream.shutdown().await.unwrap();
            let _rest = stream.read(&mut [0]).await;
        });
        address
    }

    async fn ask(answer: Vec<u8>) -> Outcome {
        let mut client = reference().connect(server(answer).await).await.unwrap();
        client.call(Ticket { process: ProcessId(0), number: 1 }, &Call::Read { key: Key(1) }).await
    }

    #[tokio::test]
    async fn an_answer_is_an_outcome_and_everything_else_is_doubt() {
        let outcome = Outcome::Ok(Reply::Read(Some(Value(4))));
        let answer = |id| rpc::frame(&Response { id, outcome: outcome.clone() }).unwrap();
        assert_eq!(ask(answer(1)).await, outcome);
        assert_eq!(ask(vec![]).await, Outcome::Unknown(Doubt::Disconnected));
        assert_eq!(ask(answer(1)[..5].to_vec()).await, Outcome::Unknown(Doubt::Disconnected));
        assert!(matches!(ask(answer(9)).await, Outcome::Unknown(Doubt::Other(_))));
        assert!(matches!(ask(vec![0, 0, 0, 1, 99]).await, Outcome::Unknown(Doubt::Other(_))));
    }

    #[test]
    fn a_seat_becomes_a_command_line() {
        let line = reference().launch(&seat()).args.join(" ");
        assert_eq!(
            line,
            "node --id n1 --protocol raft --data d --ready r --seed 7 --parent 4 --listen 10.0.0.1 \
             --ports 1,2,3 --peer n2=127.0.0.1:9 --spare n2 --flaw double-vote"
        );
    }

    #[test]
    fn a_node_is_ready_when_its_file_says_where_it_is() {
        let directory = tempfile::tempdir().unwrap();
        let ready = directory.path().join("ready");
        let seat = Seat { ready: ready.clone(), ..seat() };
        assert_eq!(reference().addresses(&seat).unwrap(), None);
        std::fs::write(&ready, "peers 127.0.0.1:1\nclients 127.0.0.1:2\ncontrol 127.0.0.1:3\n").unwrap();
        assert_eq!(reference().addresses(&seat).unwrap().unwrap().clients.port(), 2);
        std::fs::write(&ready, "nonsense").unwrap();
        assert!(reference().addresses(&seat).unwrap_err().to_string().contains("no line"));
    }
}
