//! The bundled plugin of freezes and allowed hours, as it is committed.

use kulta_core::analysis::verdict::{Decision, NextStep};
use kulta_plugin_host::limits::CONFIG_BYTES;
use kulta_plugin_host::{Finished, Host, Plugin, World};

use crate::scene::{host, load, request};

const NEXT: NextStep = NextStep {
    from_weight: 5,
    to_weight: 20,
    is_last: false,
};

async fn schedule(host: &Host) -> Plugin {
    load(host, include_bytes!("../../../../plugins/dist/schedule.wasm"))
        .await
        .unwrap()
}

async fn decide(config: String) -> Finished<Decision> {
    let host = host();
    let mut request = request();
    request.config = config;
    schedule(&host).await.decide(request, NEXT).await
}

/// As much as a configuration can hold: hundreds of windows, all on Mondays, and every Monday a freeze.
fn longest() -> String {
    let mut config =
        r#"{"timeZone":"Africa/Casablanca","allowed":[{"days":["Mon"],"from":"12:00","until":"12:01"}"#
            .to_owned();
    for _ in 0..300 {
        config.push_str(r#",{"days":["Mon"],"from":"12:00","until":"12:01"}"#);
    }
    config.push_str(r#"],"freezes":[{"from":"2026-07-01","until":"2026-07-02","reason":"-"}"#);
    for week in 0.. {
        let monday = jiff::civil::date(2026, 7, 6) + jiff::Span::new().weeks(week % 60);
        let tuesday = monday.tomorrow().unwrap();
        let freeze = format!(r#",{{"from":"{monday}","until":"{tuesday}","reason":"{week}"}}"#);
        if config.len() + freeze.len() + 2 > CONFIG_BYTES {
            break;
        }
        config.push_str(&freeze);
    }
    config + "]}"
}

#[tokio::test]
async fn it_is_taken_and_can_ask_no_provider() {
    let host = host();
    let plugin = schedule(&host).await;

    assert_eq!(plugin.worlds(), [World::PromotionGate].into());
    assert!(!plugin.imports().iter().any(|import| import.contains("metrics")));
}

#[tokio::test]
async fn it_holds_and_says_when_it_opens_by_the_clocks_of_the_host() {
    let config = r#"{"timeZone": "Europe/Berlin", "allowed": [{"from": "14:30", "until": "15:00"}]}"#;

    let decision = decide(config.to_owned()).await.result.unwrap();

    let Decision::Hold(outcome) = decision else {
        panic!("{decision:?}")
    };
    assert_eq!(
        outcome.reading.summary,
        "closed until 2026-07-01T14:30:00+02:00: outside of the allowed hours"
    );
    assert_eq!(outcome.retry_at, Some("2026-07-01T12:30:00Z".parse().unwrap()));
}

#[tokio::test]
async fn the_longest_configuration_is_decided_with_half_of_the_fuel() {
    let finished = decide(longest()).await;

    assert!(matches!(finished.result, Ok(Decision::Hold(_))), "{finished:?}");
    assert!(finished.report.fuel < 100_000_000, "{:?}", finished.report);
}
