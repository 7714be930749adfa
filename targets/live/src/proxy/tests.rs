//! Proxies on real sockets. Asserted on what arrived and on counters, never on how long it took exactly.

use super::*;
use crate::link::Counts;
use history::{Chance, Trouble};
use tokio::io::AsyncReadExt;
use tokio::sync::mpsc;

/// A server that passes on every byte it reads, with the number of its connection.
struct Server {
    address: SocketAddr,
    heard: mpsc::UnboundedReceiver<u8>,
    task: AbortHandle,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn server(answers: bool) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (tell, heard) = mpsc::unbounded_channel();
    let task = tokio::spawn(async move {
        let mut connections = JoinSet::new();
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let tell = tell.clone();
            connections.spawn(async move {
                while let Ok(byte) = stream.read_u8().await {
                    tell.send(byte).unwrap();
                    if answers {
                        stream.write_all(&[byte + 100]).await.unwrap();
                    }
                }
            });
        }
    });
    Server { address, heard, task: task.abort_handle() }
}

struct Bench {
    server: Server,
    whereabouts: watch::Sender<Option<SocketAddr>>,
    forth: Arc<Link>,
    back: Arc<Link>,
    proxy: Proxy,
}

impl Bench {
    async fn new(framing: Framing) -> Bench {
        let server = server(framing == Framing::Opaque).await;
        let (whereabouts, to) = watch::channel(Some(server.address));
        let link = |seed| Arc::new(Link::new(framing, Chance::new(seed)));
        let (forth, back) = (link(1), link(2));
        let proxy = open(to, Arc::clone(&forth), Arc::clone(&back)).unwrap();
        Bench { server, whereabouts, forth, back, proxy }
    }

    async fn dial(&self) -> TcpStream {
        TcpStream::connect(self.proxy.address).await.unwrap()
    }

    fn trouble(&self, trouble: Trouble) {
        self.forth.change(|condition| condition.trouble = trouble);
    }

    fn cut(&self, cut: bool) {
        self.forth.change(|condition| condition.cut = cut);
    }

    /// The next so many messages, without their frames.
    async fn messages(&mut self, count: usize) -> Vec<u8> {
        let mut messages = Vec::new();
        for _ in 0..count {
            let mut frame = [0; 5];
            for byte in &mut frame {
                *byte = soon(self.server.heard.recv()).await.unwrap();
            }
            assert_eq!(frame[..4], [0, 0, 0, 1], "a garbled frame");
            messages.push(frame[4]);
        }
        messages
    }

    async fn until(&self, done: impl Fn(Counts) -> bool) {
        soon(async {
            while !done(self.forth.counts()) {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        })
        .await;
    }
}

async fn soon<T>(what: impl Future<Output = T>) -> T {
    timeout(Duration::from_secs(5), what).await.expect("this should not take long")
}

async fn say(stream: &mut TcpStream, messages: std::ops::Range<u8>) {
    for message in messages {
        stream.write_all(&[0, 0, 0, 1, message]).await.unwrap();
    }
}

#[tokio::test]
async fn messages_arrive_in_order_even_when_their_bytes_come_one_by_one() {
    let mut bench = Bench::new(Framing::LengthPrefixed).await;
    let mut stream = bench.dial().await;
    stream.set_nodelay(true).unwrap();
    for byte in [0, 0, 0, 1, 7, 0, 0, 0, 1, 8] {
        stream.write_all(&[byte]).await.unwrap();
        tokio::task::yield_now().await;
    }
    say(&mut stream, 9..12).await;
    assert_eq!(bench.messages(5).await, [7, 8, 9, 10, 11]);
    assert_eq!(bench.forth.counts(), Counts { passed: 5, bytes: 25, ..Counts::default() });
}

#[tokio::test]
async fn a_cut_swallows_whole_messages_on_old_and_new_connections_and_hangs_up_on_nobody() {
    let mut bench = Bench::new(Framing::LengthPrefixed).await;
    let mut old = bench.dial().await;
    say(&mut old, 0..1).await;
    assert_eq!(bench.messages(1).await, [0]);
    bench.cut(true);
    // The frame that is under way when the link heals is lost or delivered whole, never in part.
    say(&mut old, 1..3).await;
    old.write_all(&[0, 0, 0]).await.unwrap();
    let mut new = bench.dial().await;
    say(&mut new, 3..5).await;
    bench.until(|counts| counts.dropped == 4).await;
    bench.cut(false);
    old.write_all(&[1, 5]).await.unwrap();
    assert_eq!(bench.messages(1).await, [5]);
    say(&mut new, 6..7).await;
    assert_eq!(bench.messages(1).await, [6]);
    assert_eq!(bench.forth.counts().passed, 3);
}

#[tokio::test]
async fn a_cut_of_an_opaque_link_is_one_way_and_keeps_the_bytes() {
    let mut bench = Bench::new(Framing::Opaque).await;
    let mut stream = bench.dial().await;
    stream.write_all(&[1]).await.unwrap();
    assert_eq!(soon(stream.read_u8()).await.unwrap(), 101);

    bench.back.change(|condition| condition.cut = true);
    stream.write_all(&[2]).await.unwrap();
    assert_eq!(
        [soon(bench.server.heard.recv()).await, soon(bench.server.heard.recv()).await],
        [Some(1), Some(2)]
    );
    let silence = timeout(Duration::from_millis(50), stream.read_u8()).await;
    assert!(silence.is_err(), "the answer came through a cut link");
    bench.back.change(|condition| condition.cut = false);
    assert_eq!(soon(stream.read_u8()).await.unwrap(), 102);

    bench.cut(true);
    stream.write_all(&[3]).await.unwrap();
    bench.until(|counts| counts.held == 1).await;
    assert!(bench.server.heard.try_recv().is_err());
    bench.cut(false);
    assert_eq!(soon(stream.read_u8()).await.unwrap(), 103);
}

#[tokio::test]
async fn delayed_messages_arrive_late_and_in_order() {
    let mut bench = Bench::new(Framing::LengthPrefixed).await;
    bench.trouble(Trouble { delay_ms: 60, jitter_ms: 20, ..Trouble::default() });
    let begin = std::time::Instant::now();
    let mut stream = bench.dial().await;
    say(&mut stream, 0..20).await;
    assert_eq!(bench.messages(20).await, (0..20).collect::<Vec<u8>>());
    assert!(begin.elapsed() >= Duration::from_millis(60));
    assert_eq!(bench.forth.counts().delayed, 20);
}

#[tokio::test]
async fn messages_are_lost_repeated_and_overtaken_but_never_garbled() {
    let mut bench = Bench::new(Framing::LengthPrefixed).await;
    bench.trouble(Trouble { loss: 200, duplicate: 200, reorder: 200, ..Trouble::default() });
    let mut stream = bench.dial().await;
    say(&mut stream, 0..100).await;
    bench.until(|counts| counts.met == 100).await;
    bench.trouble(Trouble::default());
    let (counts, mut arrived) = (bench.forth.counts(), Vec::new());
    for _ in 0..100 - counts.lost + counts.duplicated {
        arrived.extend(bench.messages(1).await);
    }
    assert!(counts.lost > 0 && counts.duplicated > 0 && counts.reordered > 0, "{counts:?}");
    assert!(!arrived.is_sorted());
    arrived.sort_unstable();
    let twice = arrived.windows(2).filter(|pair| pair[0] == pair[1]).count() as u64;
    assert_eq!(twice, counts.duplicated);
    assert!(bench.server.heard.try_recv().is_err());
}

#[tokio::test]
async fn what_is_held_arrives_after_the_repair_even_if_the_sender_is_gone() {
    let mut bench = Bench::new(Framing::LengthPrefixed).await;
    bench.trouble(Trouble { hold: true, ..Trouble::default() });
    let mut stream = bench.dial().await;
    say(&mut stream, 0..5).await;
    drop(stream);
    bench.until(|counts| counts.held == 5).await;
    assert!(bench.server.heard.try_recv().is_err());
    bench.trouble(Trouble::default());
    assert_eq!(bench.messages(5).await, [0, 1, 2, 3, 4]);
}

#[tokio::test]
async fn a_rate_limit_takes_its_time() {
    let mut bench = Bench::new(Framing::LengthPrefixed).await;
    bench.trouble(Trouble { bytes_per_second: 500, ..Trouble::default() });
    let begin = std::time::Instant::now();
    let mut stream = bench.dial().await;
    say(&mut stream, 0..10).await;
    assert_eq!(bench.messages(10).await.len(), 10);
    assert!(begin.elapsed() >= Duration::from_millis(100), "50 bytes at 500 B/s");
}

#[tokio::test]
async fn a_node_that_moves_is_found_again_and_one_that_is_down_hangs_up() {
    let mut bench = Bench::new(Framing::LengthPrefixed).await;
    let mut stream = bench.dial().await;
    say(&mut stream, 0..1).await;
    assert_eq!(bench.messages(1).await, [0]);

    bench.whereabouts.send_replace(None);
    say(&mut stream, 1..2).await;
    assert_eq!(soon(stream.read(&mut [0])).await.unwrap_or(0), 0, "it should hang up");
    assert_eq!(bench.forth.counts().undelivered, 1);

    bench.server = server(false).await;
    bench.whereabouts.send_replace(Some(bench.server.address));
    let mut stream = bench.dial().await;
    say(&mut stream, 2..3).await;
    assert_eq!(bench.messages(1).await, [2]);
    bench.server = server(false).await;
    bench.whereabouts.send_replace(Some(bench.server.address));
    say(&mut stream, 3..4).await;
    assert_eq!(bench.messages(1).await, [3], "over a new connection of the proxy's own");
}

#[tokio::test]
async fn a_dropped_proxy_leaves_no_port_and_no_connection() {
    let bench = Bench::new(Framing::LengthPrefixed).await;
    let mut stream = bench.dial().await;
    let address = bench.proxy.address;
    drop(bench);
    assert_eq!(soon(stream.read(&mut [0])).await.unwrap_or(0), 0);
    assert!(soon(TcpStream::connect(address)).await.is_err());
}
