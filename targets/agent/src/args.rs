//! The agent's command line.

use std::net::IpAddr;
use std::path::PathBuf;

/// The arguments of an agent.
#[derive(Debug, Clone, clap::Args)]
pub struct AgentArgs {
    /// Take orders on standard input, one JSON value per line, and answer on standard output
    #[arg(long, required_unless_present_any = ["tie", "guard"])]
    pub stdio: bool,
    /// Start such an agent, and remove what it leaves if it is killed
    #[arg(long, conflicts_with_all = ["stdio", "tie"])]
    pub guard: bool,
    /// The guard without which this agent repairs everything and ends
    #[arg(long, value_name = "PID", requires = "stdio")]
    pub under: Option<i32>,
    /// The directory of its node: data, ready file and log
    #[arg(long, value_name = "DIR", required_unless_present = "tie")]
    pub home: Option<PathBuf>,
    /// The file that only one agent of this machine may hold
    #[arg(long, value_name = "FILE")]
    pub lock: Option<PathBuf>,
    /// An address whose packets must never be dropped: the controller's
    #[arg(long, value_name = "IP")]
    pub spare: Vec<IpAddr>,
    /// After how many seconds without a word from the controller everything is repaired
    #[arg(long, default_value_t = 5, value_name = "SECONDS")]
    pub lease: u64,
    /// Become the command, and die with the process PID that asked for it
    #[arg(long, value_name = "PID", conflicts_with = "stdio", requires = "command")]
    pub tie: Option<i32>,
    /// The command to become
    #[arg(last = true)]
    pub command: Vec<String>,
}
