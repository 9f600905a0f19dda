//! The end-to-end tests: real pods, a real gateway, real traffic. `cargo xtask test` starts them inside the network of
//! the local cluster; what they ask is in the modules, by topic.

use std::process::ExitCode;

use kulta_e2e::StageSettings;
use kulta_test_cluster::progress::complain;
use libtest_mimic::Arguments;

mod canary;
mod harness;

use harness::{House, Scenario};

/// Every scenario. A new one is an `async fn(&Stage) -> anyhow::Result<()>` and a line here.
fn scenarios() -> Vec<Scenario> {
    vec![
        scenario!(canary::first_deploy_becomes_healthy),
        scenario!(canary::canary_moves_traffic_by_steps_without_a_failed_request),
        scenario!(canary::abort_returns_traffic_to_stable_without_a_failed_request),
    ]
}

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let house = match StageSettings::from_environment() {
        Ok(Some(settings)) => House::open(settings),
        Ok(None) if arguments.list => return harness::list(&arguments, scenarios()),
        Ok(None) => Err(anyhow::anyhow!(
            "the end-to-end tests run inside the network of the local cluster: start them with `cargo xtask test`"
        )),
        Err(error) => Err(error),
    };
    match house {
        Ok(house) => house.play(&arguments, scenarios()),
        Err(error) => {
            complain(&format!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}
