//! Compiles the plugin on its standard input and throws the result away: what the tests of this room run as the other
//! process. The operator runs itself instead.

use std::process::ExitCode;

fn main() -> ExitCode {
    kulta_plugin_host::trial::run()
}
