//! An image and a network of our own.

use super::engine::Engine;
use super::image;
use super::leftovers;
use super::run::{LABEL, Run};
use crate::settled;
use cluster::HarnessError;
use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

/// The first two numbers of every address of ours; the third is the network's.
const RANGE: [u8; 2] = [10, 78];
/// What the last number of the first node's address is; lower ones are the engine's own.
const FIRST: usize = 11;
/// More nodes than this do not fit in.
const MOST: usize = 200;

/// An image and a network of our own, for the containers of one run. It removes all of them with itself.
#[derive(Debug)]
pub struct Estate {
    engine: Engine,
    run: Run,
    network: [u8; 3],
    dissolved: AtomicBool,
}

impl Estate {
    /// Makes an image of this program and a network for so many nodes.
    ///
    /// # Errors
    /// If the engine refuses, dead runs have left something in it, or there are too many nodes. Nothing is left
    /// then.
    pub fn claim(engine: Engine, program: &Path, nodes: usize) -> Result<Estate, HarnessError> {
        if nodes > MOST {
            return Err(HarnessError::new("make a network", format!("it has room for {MOST} nodes")));
        }
        settled::refuse("make containers", || leftovers::found(&engine))?;
        let run = Run::begin().map_err(|why| HarnessError::new("find a name for the containers", why))?;
        let [a, b] = RANGE;
        let mut estate = Estate { engine, run, network: [a, b, 0], dissolved: AtomicBool::new(false) };
        image::import(&estate.engine, program, run)?;
        estate.network[2] = estate.connect().map_err(|why| HarnessError::new("make a network", why))?;
        Ok(estate)
    }

    /// Makes a network where none is yet; its third number.
    fn connect(&self) -> Result<u8, String> {
        let (label, name, [a, b]) = (format!("{LABEL}={}", self.run), self.run.to_string(), RANGE);
        let mut why = String::new();
        for step in 0..=u32::from(u8::MAX) {
            let [.., third] = self.run.luck().wrapping_add(step).to_be_bytes();
            let subnet = format!("{a}.{b}.{third}.0/24");
            let args = ["network", "create", "--label", &label, "--subnet", &subnet, &name];
            match self.engine.ask(&args) {
                Ok(_) => return Ok(third),
                Err(taken) if taken.contains("overlap") || taken.contains("already") => why = taken,
                Err(other) => return Err(other),
            }
        }
        Err(why)
    }

    /// Who makes and removes.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// The name of the image and of the network.
    pub fn name(&self) -> String {
        self.run.to_string()
    }

    /// The label of everything that belongs here.
    pub fn label(&self) -> String {
        format!("{LABEL}={}", self.run)
    }

    /// The name of a container.
    pub fn container(&self, of: impl std::fmt::Display) -> String {
        self.run.part(of)
    }

    /// The address of the node with this place in the list of all.
    pub fn address(&self, place: usize) -> Ipv4Addr {
        let [a, b, c] = self.network;
        Ipv4Addr::new(a, b, c, u8::try_from(FIRST + place).expect("there are at most two hundred nodes"))
    }

    /// Removes everything; once is enough.
    ///
    /// # Errors
    /// If something is left: what, and how to remove it.
    pub fn dissolve(&self) -> Result<(), String> {
        if self.dissolved.swap(true, Ordering::Relaxed) {
            return Ok(());
        }
        let removed = leftovers::remove(&self.engine, |run| run == self.run);
        removed.map(|_| ()).map_err(|why| {
            let command = self.engine.command();
            format!("{why}; what has the label {} is ours: remove it with {command}", self.label())
        })
    }
}

impl Drop for Estate {
    fn drop(&mut self) {
        if let Err(left) = self.dissolve() {
            tracing::error!("{left}");
        }
    }
}
