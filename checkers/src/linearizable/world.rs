//! The states of an object by number, and the steps between them: each is asked of the model only once.

use super::meter::{Meter, Stop};
use crate::Model;
use rustc_hash::FxHashMap;

/// No state: the step is not possible.
pub(crate) const NONE: u32 = u32::MAX;

/// Nobody asked yet.
const UNTRIED: u32 = u32::MAX - 1;

/// With so many different actions at most, every step is remembered.
const TABLE: usize = 256;

/// What is known of an object's states.
pub(crate) struct World<'a, M: Model> {
    model: &'a M,
    actions: &'a [M::Action],
    observes: Vec<bool>,
    overwrites: Vec<bool>,
    states: Vec<M::State>,
    numbers: FxHashMap<M::State, u32>,
    /// By state and action: the state afterwards.
    steps: Vec<u32>,
    meter: &'a Meter,
    /// How many bytes the states take, and how many of them are paid for.
    bytes: usize,
    paid: usize,
}

impl<'a, M: Model> World<'a, M> {
    /// Only the initial state, which has the number 0, is known.
    pub fn new(model: &'a M, actions: &'a [M::Action], meter: &'a Meter) -> World<'a, M> {
        let mut world = World {
            model,
            actions,
            observes: actions.iter().map(|action| model.observes(action)).collect(),
            overwrites: actions.iter().map(|action| model.overwrites(action)).collect(),
            states: Vec::new(),
            numbers: FxHashMap::default(),
            steps: Vec::new(),
            meter,
            bytes: 0,
            paid: 0,
        };
        world.number(model.initial());
        world
    }

    /// Whether an action changes nothing.
    pub fn observes(&self, kind: u32) -> bool {
        self.observes[kind as usize]
    }

    /// Whether an action is possible in a state, and depends on it.
    pub fn sees(&mut self, state: u32, kind: u32) -> bool {
        !self.overwrites[kind as usize] && self.step(state, kind) != NONE
    }

    /// The state after an action, or [`NONE`].
    pub fn step(&mut self, state: u32, kind: u32) -> u32 {
        if self.actions.len() > TABLE {
            return self.ask(state, kind);
        }
        let at = state as usize * self.actions.len() + kind as usize;
        if self.steps[at] == UNTRIED {
            self.steps[at] = self.ask(state, kind);
        }
        self.steps[at]
    }

    fn ask(&mut self, state: u32, kind: u32) -> u32 {
        match self.model.step(&self.states[state as usize], &self.actions[kind as usize]) {
            Some(after) => self.number(after),
            None => NONE,
        }
    }

    fn number(&mut self, state: M::State) -> u32 {
        if let Some(number) = self.numbers.get(&state) {
            return *number;
        }
        let number = self.states.len() as u32;
        self.bytes += 2 * self.model.weight(&state) + 64;
        if self.actions.len() <= TABLE {
            self.bytes += self.actions.len() * size_of::<u32>();
            self.steps.resize(self.steps.len() + self.actions.len(), UNTRIED);
        }
        self.states.push(state.clone());
        self.numbers.insert(state, number);
        number
    }

    /// Pays for the states that are new, or says that there is no memory for them.
    pub fn paid(&mut self) -> Result<(), Stop> {
        self.meter.take(self.bytes - self.paid)?;
        self.paid = self.bytes;
        Ok(())
    }
}

impl<M: Model> Drop for World<'_, M> {
    fn drop(&mut self) {
        self.meter.give_back(self.paid);
    }
}
