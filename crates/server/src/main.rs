//! The binary `kijun`: reads the configuration, wires the house together in `app.rs`, serves, and
//! administers from the shell.
//!
//! May know: everything. Must never do: decide anything that a crate below could decide.

mod app;
mod audit_keeper;
mod banner;
mod checkpoints;
mod cli;
mod config;
mod data_dir;
mod listen;
mod local_servers;
mod log_line;
mod logs;
mod master_keys;
mod node;
mod node_name;
mod node_sources;
mod one_line;
mod places;
mod process;
mod reading;
mod tls;

use std::process::ExitCode;

use clap::Parser as _;

// Calls make many short-lived buffers on several threads.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let arguments = cli::Arguments::parse();
    let environment = config::Environment::of_process();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return cli::fail(&format!("the runtime cannot start: {error}")),
    };
    let ended = runtime.block_on(cli::run(arguments, environment));
    log_line::last_words();
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => cli::fail(&error.to_string()),
    }
}
