//! Machines with open sockets, and what arrives at them.

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::thread::sleep;
use std::time::{Duration, Instant};
use tribunal_linux::net::{Lab, Pair};

/// A network of machines, each with a socket in both protocols.
pub struct Wires {
    pub lab: Lab,
    four: Vec<UdpSocket>,
    six: Vec<UdpSocket>,
}

/// Long enough for a frame to arrive on a busy machine.
pub const SOON: Duration = Duration::from_millis(400);

impl Wires {
    pub fn new(machines: usize) -> Wires {
        let lab = Lab::build(machines, 7).unwrap();
        let bind = |address: IpAddr, place: usize| {
            let open = || {
                let socket = UdpSocket::bind((address, 4000)).unwrap();
                socket.set_nonblocking(true).unwrap();
                socket
            };
            lab.machines()[place].network.inside(open).unwrap()
        };
        let all = lab.machines().iter().enumerate();
        let (four, six) = all
            .map(|(place, machine)| {
                (bind(machine.four.into(), place), bind(machine.six.unwrap().into(), place))
            })
            .unzip();
        let wires = Wires { lab, four, six };
        // Everyone learns everyone's card, so that what is counted later are our own datagrams.
        let learnt = |_| reached(&wires.four, &wires.lab.pairs()) == reached(&wires.six, &wires.lab.pairs());
        assert!((0..5).any(learnt), "everyone reaches everyone");
        assert_eq!(wires.reached(), wires.lab.pairs());
        wires
    }

    /// Sends a datagram with this number.
    pub fn send(&self, (from, to): Pair, number: u32) {
        self.four[from].send_to(&number.to_be_bytes(), self.four[to].local_addr().unwrap()).unwrap();
    }

    /// Sends so many datagrams, numbered; the numbers that arrive, until there has been silence for a while.
    /// Reading goes on all the time: a receiver that does not read loses what comes.
    pub fn send_many(&self, pair: Pair, count: u32) -> Vec<u32> {
        let mut arrived = Vec::new();
        for number in 0..count {
            self.send(pair, number);
            if number % 16 == 15 {
                sleep(Duration::from_millis(1));
                arrived.extend(std::iter::from_fn(|| receive(&self.four[pair.1])).map(|(number, _)| number));
            }
        }
        arrived.extend(self.receive(pair.1, usize::MAX, SOON));
        arrived
    }

    /// The numbers that arrive until `count` have, or nothing has for `patience`.
    pub fn receive(&self, at: usize, count: usize, patience: Duration) -> Vec<u32> {
        let (mut numbers, mut last) = (Vec::new(), Instant::now());
        while numbers.len() < count && last.elapsed() < patience {
            match receive(&self.four[at]) {
                Some((number, _)) => {
                    numbers.push(number);
                    last = Instant::now();
                }
                None => sleep(Duration::from_millis(1)),
            }
        }
        numbers
    }

    /// The pairs that reach one another; in both protocols, or this panics.
    pub fn reached(&self) -> Vec<Pair> {
        let four = reached(&self.four, &self.lab.pairs());
        assert_eq!(four, reached(&self.six, &self.lab.pairs()), "IPv4 and IPv6 differ");
        four
    }
}

fn receive(socket: &UdpSocket) -> Option<(u32, SocketAddr)> {
    let mut number = [0; 4];
    let (length, from) = socket.recv_from(&mut number).ok()?;
    (length == 4).then(|| (u32::from_be_bytes(number), from))
}

fn reached(sockets: &[UdpSocket], pairs: &[Pair]) -> Vec<Pair> {
    for (from, to) in pairs {
        let number = u32::try_from(*from).unwrap();
        // If it cannot even be sent, it will not arrive.
        let _sent = sockets[*from].send_to(&number.to_be_bytes(), sockets[*to].local_addr().unwrap());
    }
    let (mut reached, mut last) = (Vec::new(), Instant::now());
    while reached.len() < pairs.len() && last.elapsed() < SOON {
        for (to, socket) in sockets.iter().enumerate() {
            while let Some((from, _)) = receive(socket) {
                reached.push((from as usize, to));
                last = Instant::now();
            }
        }
        sleep(Duration::from_millis(1));
    }
    reached.sort_unstable();
    reached
}
