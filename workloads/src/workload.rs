//! A workload.

use crate::Generator;
use checkers::Checker;
use history::CallKind;

/// What to ask of a system, and how to judge the answers.
pub struct Workload {
    /// Its name on the command line.
    pub name: &'static str,
    /// The calls it makes: a system must serve all of them.
    pub calls: Vec<CallKind>,
    /// What clients ask while the nemesis breaks.
    pub main: Box<dyn Generator>,
    /// What they ask after everything was repaired. It may depend on what the main phase did.
    pub finale: Box<dyn Generator>,
    /// Who judges. The harness adds coverage and availability.
    pub checkers: Vec<Box<dyn Checker>>,
}
