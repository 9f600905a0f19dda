//! The end-to-end tests: real pods, a real gateway, real traffic. `cargo xtask test` starts them inside the network of
//! the local cluster; what they ask is in the modules, by topic.

#![allow(
    clippy::indexing_slicing,
    reason = "tests, of which clippy knows nothing since they have a harness of their own"
)]

use std::process::ExitCode;

use anyhow::Result;
use kulta_e2e::StageSettings;
use kulta_test_cluster::progress::complain;
use libtest_mimic::Arguments;

mod admission;
mod alerts;
mod analysis;
mod argo;
mod argo_definitions;
mod bad_configuration;
mod blue_green;
mod canary;
mod change;
mod chart;
mod connections;
mod contest;
mod doctor;
mod events;
mod expect;
mod experiment;
mod faults;
mod files;
mod gate;
mod harness;
mod hostile;
mod installed;
mod kubectl;
mod leader;
mod limits;
mod live;
mod lost_objects;
mod managed;
mod migrate;
mod mounts;
mod packaging;
mod past;
mod pod_template;
mod pods;
mod providers;
mod references;
mod routes;
mod seat;
mod shop;
mod sizes;
mod template;
mod traces;
mod tutorial;
mod workload;

use harness::{House, Scenario};

/// Every scenario. A new one is an `async fn(&Stage) -> anyhow::Result<()>` and a line here. First come those that any controller
/// will do for, then those that change how it is installed; then those beside its process, and last the ones that stop it or a part
/// of the cluster, and play alone.
#[expect(clippy::too_many_lines, reason = "a list")]
fn scenarios() -> Vec<Scenario> {
    vec![
        scenario!(canary::first_deploy_becomes_healthy),
        scenario!(canary::canary_moves_traffic_by_steps_without_a_failed_request),
        scenario!(canary::abort_returns_traffic_to_stable_without_a_failed_request),
        scenario!(canary::weights_are_parts_of_the_whole_that_the_rollout_names),
        scenario!(analysis::good_version_is_promoted_by_its_measurements),
        scenario!(analysis::bad_version_is_taken_back_without_a_hand),
        scenario!(experiment::experiment_of_a_step_promotes_a_version_by_what_its_pods_show),
        scenario!(experiment::experiment_of_an_aborted_rollout_is_ended),
        scenario!(experiment::experiment_has_its_share_of_the_traffic_while_it_runs),
        scenario!(experiment::experiment_that_is_aborted_gives_its_share_back_before_its_pods_go),
        scenario!(limits::revisions_analyses_and_experiments_beyond_their_limits_are_removed),
        scenario!(workload::pod_template_is_followed),
        scenario!(template::template_of_the_cluster_promotes_a_good_version),
        scenario!(experiment::experiment_that_fails_takes_a_version_back),
        scenario!(experiment::experiment_alone_runs_for_its_duration_and_leaves_nothing_running),
        scenario!(analysis::misspelt_configuration_is_refused_before_anything_of_the_new_version_exists),
        scenario!(argo::manifest_for_argo_rollouts_goes_through_its_steps_and_is_promoted),
        scenario!(argo::abort_and_retry_are_those_of_argo_rollouts),
        scenario!(argo::templates_of_the_other_group_are_not_seen),
        scenario!(argo::younger_of_two_that_overlap_across_the_groups_is_told),
        scenario!(argo::field_that_kulta_does_not_have_is_refused_by_name),
        scenario!(alerts::each_alert_fires_when_it_should),
        scenario!(analysis::analysis_by_an_unknown_plugin_waits_and_names_those_there_are),
        scenario!(analysis::analysis_that_its_arguments_make_too_long_ends_with_a_reason),
        scenario!(providers::answer_of_a_server_promotes_a_version_or_takes_it_back),
        scenario!(providers::server_that_is_not_allowed_is_refused_before_anything_begins),
        scenario!(providers::job_waits_for_its_right_and_then_promotes_a_version_or_takes_it_back),
        scenario!(blue_green::preview_serves_the_new_version_until_all_users_are_switched),
        scenario!(blue_green::preview_of_one_pod_becomes_whole_before_users_come),
        scenario!(blue_green::abort_before_the_switch_is_met_by_no_user),
        scenario!(blue_green::version_that_fails_after_the_switch_is_taken_back),
        scenario!(blue_green::version_that_is_still_up_is_gone_back_to_at_once),
        scenario!(blue_green::route_sends_all_users_to_the_new_version_and_home),
        scenario!(blue_green::version_that_fails_after_the_switch_is_taken_back_by_the_route),
        scenario!(migrate::rollout_of_argo_rollouts_becomes_one_of_kulta_with_its_pods),
        scenario!(migrate::deployment_becomes_a_rollout_with_its_pods),
        scenario!(migrate::deployment_on_its_way_is_not_touched),
        scenario!(workload::deployment_gives_its_place_without_a_failed_request),
        scenario!(workload::missing_deployment_is_named_and_waited_for),
        scenario!(bad_configuration::two_strategies_are_refused),
        scenario!(bad_configuration::no_strategy_is_refused),
        scenario!(bad_configuration::weight_above_100_is_refused),
        scenario!(bad_configuration::step_with_two_keys_is_refused),
        scenario!(bad_configuration::step_with_no_key_is_refused),
        scenario!(bad_configuration::misspelt_step_is_refused),
        scenario!(bad_configuration::misspelt_field_beside_a_step_is_named),
        scenario!(bad_configuration::selector_that_does_not_match_the_template_is_named),
        scenario!(bad_configuration::misspelt_field_of_a_running_rollout_touches_no_pod),
        scenario!(bad_configuration::abort_takes_the_traffic_back_from_an_invalid_rollout),
        scenario!(bad_configuration::younger_of_two_overlapping_rollouts_is_told),
        scenario!(gate::change_freeze_holds_the_canary_until_it_is_lifted),
        scenario!(references::missing_stable_service_is_named_until_it_appears),
        scenario!(references::missing_canary_service_is_named_until_it_appears),
        scenario!(references::missing_route_is_named_until_it_appears),
        scenario!(references::missing_analysis_template_is_named_until_it_appears),
        scenario!(references::rollout_made_before_its_surroundings_heals_when_they_appear),
        scenario!(references::service_that_selects_other_pods_is_named_until_it_fits),
        scenario!(references::route_that_names_neither_service_is_told_until_it_does),
        scenario!(references::route_that_names_one_service_is_told_until_it_names_both),
        scenario!(references::port_that_the_service_does_not_serve_is_told_until_it_does),
        scenario!(template::condition_of_a_template_promotes_a_good_version),
        scenario!(template::condition_of_a_template_takes_a_bad_version_back),
        scenario!(template::condition_that_cannot_be_read_is_told_before_anything_begins),
        scenario!(template::secret_is_waited_for_until_it_may_be_read_and_then_measured_with),
        scenario!(chart::chart_makes_what_the_kustomization_makes),
        scenario!(chart::everything_but_the_definitions_can_be_deleted_by_a_label),
        scenario!(chart::values_that_mean_nothing_are_refused_by_their_paths),
        scenario!(chart::values_of_every_kind_make_objects_that_the_api_server_takes),
        scenario!(packaging::kustomization_follows_names_images_and_patches_into_a_rollout),
        scenario!(pod_template::invalid_template_is_told_in_the_api_servers_words),
        scenario!(pod_template::misspelt_pod_field_is_named),
        scenario!(pod_template::invalid_template_in_mid_rollout_leaves_traffic_and_can_be_aborted),
        scenario!(pod_template::equal_template_in_other_words_restarts_no_pod),
        scenario!(pod_template::quota_that_refuses_the_replica_set_is_told_until_it_is_raised),
        scenario!(pod_template::quota_that_refuses_pods_is_told_until_it_is_raised),
        scenario!(pod_template::version_that_never_becomes_ready_exceeds_the_deadline_until_a_good_one_comes),
        scenario!(pods::restart_waits_for_the_disruption_budget_and_then_replaces_every_pod),
        scenario!(pods::pods_bear_the_labels_of_their_part_and_none_is_restarted_for_it),
        scenario!(pods::new_version_is_kept_apart_from_the_stable_one_and_is_no_other_revision_for_it),
        scenario!(routes::every_route_of_a_rollout_gets_the_weights),
        scenario!(connections::connections_are_split_by_a_tcp_route),
        scenario!(connections::weights_of_a_tls_route_are_accepted_and_go_home),
        scenario!(routes::only_the_two_weights_of_a_route_are_changed),
        scenario!(routes::route_and_services_of_the_same_names_elsewhere_are_untouched),
        scenario!(routes::route_elsewhere_that_is_granted_the_services_gets_the_weights),
        scenario!(routes::two_rollouts_on_one_route_move_only_their_own_weights),
        scenario!(routes::parent_that_never_answers_is_named_after_the_deadline),
        scenario!(routes::route_that_the_gateway_rejects_holds_the_weight_until_it_is_mended),
        scenario!(managed::testers_meet_the_new_version_and_nobody_else_does),
        scenario!(managed::abort_takes_testers_back_without_a_failed_request),
        scenario!(managed::managed_rule_that_gitops_takes_away_comes_again),
        scenario!(managed::rule_of_somebody_with_such_a_name_is_told_and_left),
        scenario!(managed::copy_of_the_requests_to_the_canary_disturbs_nobody),
        scenario!(managed::grpc_route_gets_the_weights_and_the_managed_rules),
        scenario!(sizes::canary_without_routing_goes_through_its_steps_by_numbers_of_pods),
        scenario!(sizes::canary_scale_sizes_the_canary_apart_from_its_weight),
        scenario!(sizes::dynamic_stable_shrinks_as_traffic_leaves_and_grows_back_on_abort),
        scenario!(sizes::canary_has_the_least_number_of_pods_asked_for),
        scenario!(sizes::scaling_in_mid_rollout_sizes_both_versions),
        scenario!(change::third_version_replaces_the_second_half_way),
        scenario!(change::rollback_half_way_skips_the_steps),
        scenario!(change::aborted_half_way_it_can_be_tried_again),
        scenario!(change::abort_at_the_very_last_step),
        scenario!(change::full_promotion_skips_what_remains),
        scenario!(change::scaled_half_way_both_versions_follow),
        scenario!(change::changed_steps_begin_again),
        scenario!(kubectl::rollout_is_driven_with_the_plugin_alone),
        scenario!(kubectl::picture_of_a_rollout_follows_its_release),
        scenario!(change::crashing_canary_loses_its_traffic_and_then_the_deadline),
        scenario!(contest::gitops_manager_that_applies_its_weights_is_named_and_corrected),
        scenario!(contest::gitops_manager_that_omits_weights_is_named_and_corrected),
        scenario!(contest::single_edit_of_a_weight_is_corrected_without_a_word),
        scenario!(contest::edits_of_another_writer_survive_and_so_do_the_weights),
        scenario!(lost_objects::wiped_status_keeps_stable_and_begins_again),
        scenario!(lost_objects::rollout_made_again_finds_its_orphaned_pods),
        scenario!(lost_objects::rollout_made_again_half_way_keeps_stable_and_begins_again),
        scenario!(lost_objects::deleted_rollout_takes_its_replica_sets_along),
        scenario!(lost_objects::deleted_rollout_gives_its_services_back),
        scenario!(lost_objects::deleted_canary_replica_set_is_made_again),
        scenario!(lost_objects::deleted_stable_replica_set_leaves_the_traffic_to_the_canary),
        scenario!(lost_objects::deleted_canary_service_gives_the_traffic_back),
        scenario!(lost_objects::deleted_stable_service_is_taken_up_again),
        scenario!(lost_objects::deleted_route_is_taken_up_again),
        scenario_of_the_installed!(
            installed::upgrade_from_an_earlier_chart_in_mid_rollout_fails_no_request_and_restarts_no_pod
        ),
        scenario_of_the_installed!(
            installed::plugins_are_mounted_mistakes_are_refused_and_the_doctor_finds_nothing_wrong
        ),
        scenario_of_the_installed!(installed::one_namespace_is_worked_on_and_no_other_is_touched),
        scenario_of_the_installed!(installed::uninstalling_leaves_everything_where_it_is),
        scenario_beside_the_process!(admission::rollout_that_makes_no_sense_is_refused_when_it_is_applied),
        scenario_beside_the_process!(admission::rollout_of_the_other_group_is_warned_of),
        scenario_beside_the_process!(doctor::controller_that_is_installed_has_all_that_it_needs),
        scenario_beside_the_process!(doctor::provider_and_plugin_that_are_wrong_are_told_with_what_to_do),
        scenario_beside_the_process!(past::history_is_told_to_those_who_may_see_the_rollout),
        scenario_beside_the_process!(gate::gate_step_waits_for_its_plugin_to_be_mounted),
        scenario_beside_the_process!(
            tutorial::tutorial_leads_from_nothing_to_a_rollout_that_its_plugin_holds
        ),
        scenario_alone!(faults::stopped_gracefully_it_goes_on_where_it_was),
        scenario_alone!(leader::replica_takes_over_and_the_former_leader_writes_nothing_more),
        scenario_alone!(faults::killed_at_ten_points_it_loses_and_repeats_nothing),
        scenario_alone!(events::every_sink_hears_the_whole_story_through_ten_crashes),
        scenario_alone!(traces::decisions_are_events_of_spans_that_a_collector_takes),
        scenario_alone!(faults::api_server_restarted_in_mid_rollout),
        scenario_alone!(hostile::hostile_plugins_harm_neither_the_controller_nor_others),
        scenario_alone!(argo::lease_of_somebody_else_keeps_kulta_from_writing_until_it_is_given_back),
        scenario_alone!(argo::lease_that_nobody_renews_is_taken),
        scenario_alone!(argo_definitions::manifests_work_with_the_definitions_of_argo_rollouts),
        scenario_alone!(
            argo_definitions::definitions_replaced_in_mid_rollout_open_no_gate_and_move_no_traffic
        ),
        scenario_alone!(faults::pause_that_ends_while_the_api_server_is_down),
    ]
}

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let house = match StageSettings::from_environment() {
        Ok(Some(settings)) => House::open(settings, &arguments),
        Ok(None) if arguments.list => return listed(&arguments),
        Ok(None) => Err(anyhow::anyhow!(
            "the end-to-end tests run inside the network of the local cluster: start them with `cargo xtask test`"
        )),
        Err(error) => Err(error),
    };
    let house = house.and_then(|house| Ok((house, everything()?)));
    match house {
        Ok((house, scenarios)) => house.play(&arguments, scenarios),
        Err(error) => failed(&error),
    }
}

/// The files, and then the others: those that play alone come last.
fn everything() -> Result<Vec<Scenario>> {
    let mut all = files::scenarios()?;
    all.extend(scenarios());
    Ok(all)
}

fn listed(arguments: &Arguments) -> ExitCode {
    match everything() {
        Ok(all) => harness::list(arguments, all),
        Err(error) => failed(&error),
    }
}

fn failed(error: &anyhow::Error) -> ExitCode {
    complain(&format!("error: {error:#}"));
    ExitCode::FAILURE
}
