//! What the command line says.

use clap::CommandFactory as _;

use super::*;

fn parse(arguments: &[&str]) -> Result<Verb, clap::Error> {
    let all = ["kubectl-kulta"].iter().chain(arguments);
    Arguments::try_parse_from(all).map(|arguments| arguments.verb)
}

fn status(arguments: &[&str]) -> StatusArguments {
    match parse(&[&["status", "web"], arguments].concat()).unwrap() {
        Verb::Status(arguments) => arguments,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_definition_of_the_command_line_is_sound() {
    Arguments::command().debug_assert();
}

#[test]
fn watching_is_the_default_and_can_be_switched_off_as_in_go() {
    assert!(status(&[]).watch);
    assert!(status(&["-w"]).watch);
    assert!(!status(&["--watch=false"]).watch);
    assert!(!status(&["-w=false"]).watch);
}

#[test]
fn a_timeout_is_written_as_in_go() {
    assert_eq!(status(&["--timeout", "90s"]).timeout, Duration::from_secs(90));
    assert_eq!(status(&["-t", "1h30m"]).timeout, Duration::from_mins(90));
    assert_eq!(status(&["-t", "0"]).timeout, Duration::ZERO);
    assert!(parse(&["status", "web", "-t", "-5s"]).is_err());
}

#[test]
fn a_restart_is_now_or_in_a_while() {
    let after = |arguments: &[&str]| match parse(&[&["restart", "web"], arguments].concat()) {
        Ok(Verb::Restart(arguments)) => arguments.after,
        other => panic!("{other:?}"),
    };
    assert_eq!(after(&[]), Duration::ZERO);
    assert_eq!(after(&["--in", "10m"]), Duration::from_mins(10));
    assert_eq!(after(&["-i", "1h30m"]), Duration::from_mins(90));
    assert!(parse(&["restart", "web", "-i", "soon"]).is_err());
}

#[test]
fn two_extents_of_a_promotion_are_refused() {
    assert!(parse(&["promote", "web", "-c", "-a"]).is_err());
    assert!(parse(&["promote", "web", "--full", "-a"]).is_err());
}

#[test]
fn flags_of_the_cluster_may_stand_before_and_behind_the_verb() {
    assert!(parse(&["-n", "shop", "abort", "web"]).is_ok());
    assert!(parse(&["abort", "web", "-n", "shop", "--as", "eve"]).is_ok());
}

#[test]
fn kinds_have_the_short_names_of_argo_rollouts() {
    for kind in ["rollout", "ro", "rollouts"] {
        assert!(parse(&["get", kind, "web", "-w"]).is_ok(), "{kind}");
        assert!(parse(&["list", kind, "-A"]).is_ok(), "{kind}");
        assert!(parse(&["retry", kind, "web"]).is_ok(), "{kind}");
    }
}

#[test]
fn an_image_is_named_with_its_container() {
    assert!(parse(&["set", "image", "web", "web=web:2", "*=all:1"]).is_ok());
    assert!(parse(&["set", "image", "web", "web:2"]).is_err());
    assert!(parse(&["set", "image", "web"]).is_err());
}
