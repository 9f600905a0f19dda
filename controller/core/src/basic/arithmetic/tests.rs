//! The arithmetic against the worked examples of the specification, and against a model of it that is written from its
//! words alone (2.5 of Argo Rollouts' specification).

use super::*;

/// The model is compared for all `spec.replicas` up to this.
const MOST_REPLICAS: u32 = 12;
const WEIGHTS: [u32; 15] = [0, 1, 5, 10, 20, 25, 33, 40, 50, 51, 67, 75, 90, 99, 100];
const AMOUNTS: [u32; 5] = [0, 1, 2, 5, 12];

fn weight(percent: u32) -> Weight {
    Weight::new(percent).unwrap()
}

/// Pods that are all available.
fn running(pods: u32) -> Count {
    Count {
        wanted: pods,
        available: pods,
    }
}

/// A worked example: the canary's and the stable pods after the first step, and at the end.
struct Example {
    replicas: u32,
    percent: u32,
    surge: u32,
    unavailable: u32,
    first: (u32, u32),
    last: (u32, u32),
}

const fn example(
    [replicas, percent, surge, unavailable]: [u32; 4],
    first: (u32, u32),
    last: (u32, u32),
) -> Example {
    Example {
        replicas,
        percent,
        surge,
        unavailable,
        first,
        last,
    }
}

/// Those of the specification: replicas, weight, surge, unavailable.
const EXAMPLES: [Example; 10] = [
    example([10, 10, 1, 1], (1, 9), (1, 9)),
    // The stable version goes down to 7 once the canaries are available.
    example([10, 30, 3, 0], (3, 10), (3, 7)),
    example([10, 30, 0, 5], (0, 7), (3, 7)),
    example([10, 5, 0, 1], (0, 9), (1, 9)),
    example([10, 5, 1, 0], (1, 10), (1, 10)),
    example([1, 5, 1, 0], (1, 1), (1, 1)),
    example([1, 95, 1, 0], (1, 1), (1, 1)),
    example([10, 0, 1, 0], (0, 10), (0, 10)),
    example([10, 100, 1, 0], (1, 10), (10, 0)),
    example([0, 50, 1, 0], (0, 0), (0, 0)),
];

#[test]
fn goes_through_the_worked_examples() {
    for example in EXAMPLES {
        let Example {
            replicas,
            percent,
            surge,
            unavailable,
            first,
            last,
        } = example;
        let bounds = Bounds::new(replicas, surge, unavailable);
        let target = split(replicas, weight(percent), surge);
        let mut now = (0, replicas);
        let mut seen = Vec::new();
        for _ in 0..40 {
            let state = Now {
                canary: running(now.0),
                stable: Some(running(now.1)),
                others: 0,
            };
            let next = next_sizes(state, target, bounds);
            now = (next.canary, next.stable);
            seen.push(now);
        }

        let example =
            format!("{replicas} pods, {percent} %, surge {surge}, unavailable {unavailable}: {seen:?}");
        assert_eq!((seen[0], now), (first, last), "{example}");
    }
}

/// The words of the specification, as numbers: the share of each candidate as a fraction that a computer rounds, as Argo
/// Rollouts has it.
fn model_of_split(replicas: u32, percent: u32, surge: u32) -> (u32, u32) {
    if replicas == 0 {
        return (0, 0);
    }
    let share = |total: u32| f64::from(total * percent) / 100.0;
    let is_edge = percent == 0 || percent == 100 || (replicas == 1 && surge == 0);
    let is_half = |total: u32| (share(total).fract() - 0.5).abs() < 1e-9;
    let mut candidates = Vec::new();
    for total in replicas..=replicas + surge.min(1) {
        for (canary, is_floor) in [(share(replicas).ceil(), false), (share(replicas).floor(), true)] {
            let is_dropped = if is_floor {
                is_half(total) || (canary == 0.0 && !is_edge)
            } else {
                total == replicas && canary >= f64::from(replicas) && !is_edge
            };
            if !is_dropped {
                candidates.push((canary, total));
            }
        }
    }
    let off = |(canary, total): &(f64, u32)| (canary * 100.0 / f64::from(*total) - f64::from(percent)).abs();
    // Of two pods 75 % are one and a half: the rules leave nothing, and Argo Rollouts then has no canary, either.
    let Some(mut best) = candidates.first().copied() else {
        return (0, replicas);
    };
    for candidate in candidates {
        if off(&candidate) < off(&best) {
            best = candidate;
        }
    }
    let canary = (0..=replicas).find(|pods| f64::from(*pods) >= best.0).unwrap();
    (canary, best.1 - canary)
}

#[test]
fn splits_as_the_model_does() {
    for replicas in 0..=MOST_REPLICAS {
        for percent in 0..=100 {
            for surge in 0..=2 {
                let split = split(replicas, weight(percent), surge);
                assert_eq!(
                    (split.canary, split.stable),
                    model_of_split(replicas, percent, surge),
                    "{replicas} pods at {percent} %, surge {surge}"
                );
            }
        }
    }
}

/// The words of the specification about the next step, in signed numbers.
fn model_of_next(now: Now, target: (i64, i64), replicas: i64, surge: i64, unavailable: i64) -> (i64, i64) {
    let unavailable = match (replicas, surge, unavailable) {
        (0, ..) => 0,
        (_, 0, 0) => 1,
        _ => unavailable.min(replicas),
    };
    let (most, least) = (replicas + surge, replicas - unavailable);
    let (canary, canary_available) = (i64::from(now.canary.wanted), i64::from(now.canary.available));
    let stable = now.stable.unwrap_or_default();
    let (stable, stable_available) = (i64::from(stable.wanted), i64::from(stable.available));
    let mut budget = (most - canary - stable - i64::from(now.others)).max(0);
    let stable_up = (target.1 - stable).clamp(0, budget);
    budget -= stable_up;
    let canary_up = (target.0 - canary).clamp(0, budget);
    let (canary_grown, stable_grown) = (canary + canary_up, stable + stable_up);
    if now.others > 0 {
        return (canary_grown, stable_grown);
    }
    let increasing = target.0 >= canary;
    let counts = |wanted: i64, available: i64, ignores: bool| {
        if wanted < available || ignores {
            wanted
        } else {
            available
        }
    };
    let count = counts(canary, canary_available, !increasing) + counts(stable, stable_available, increasing);
    if count <= least {
        return (canary_grown, stable_grown);
    }
    let spare = count - least;
    let (drain, drain_grown, drain_target, other) = if increasing {
        (stable, stable_grown, target.1, canary_grown)
    } else {
        (canary, canary_grown, target.0, stable_grown)
    };
    let mut drained = if drain > drain_target {
        drain_target.max(drain - spare)
    } else {
        drain_grown
    };
    let mut other = (other - (drained + other - most).max(0)).max(0);
    other += (least - drained - other).max(0);
    drained = (drained - (drained + other - most).max(0)).max(0);
    if increasing {
        (other, drained)
    } else {
        (drained, other)
    }
}

#[test]
fn no_pods_that_answer_go_below_what_was_promised() {
    let bounds = Bounds::new(3, 2, 0);
    let now = Now {
        canary: Count {
            wanted: 6,
            available: 0,
        },
        stable: Some(running(10)),
        others: 0,
    };
    let target = split(3, weight(100), 2);

    let next = next_sizes(now, target, bounds);
    let kept = keep_available(now, next, bounds);

    assert_eq!((next.canary, next.stable), (3, 2));
    assert_eq!((kept.canary, kept.stable), (3, 3));
}

/// Pods of which none, about half, or all are available, or more than are wanted.
fn counts(most: u32) -> impl Iterator<Item = Count> {
    let available = |wanted: u32| [0, wanted.div_ceil(2), wanted, wanted + 1];
    (0..=most).flat_map(move |wanted| available(wanted).map(|available| Count { wanted, available }))
}

#[test]
fn takes_the_next_step_as_the_model_does() {
    let mut compared = 0_u32;
    for replicas in 0..=MOST_REPLICAS {
        for (surge, unavailable) in AMOUNTS
            .iter()
            .flat_map(|surge| AMOUNTS.map(|other| (*surge, other)))
        {
            let bounds = Bounds::new(replicas, surge, unavailable);
            for percent in WEIGHTS {
                let target = split(replicas, weight(percent), surge);
                for canary in counts(replicas + 1) {
                    for stable in counts(replicas + 1).step_by(3) {
                        for others in [0, 2] {
                            let stable = Some(stable);
                            let now = Now {
                                canary,
                                stable,
                                others,
                            };
                            let next = next_sizes(now, target, bounds);
                            let expected = model_of_next(
                                now,
                                (target.canary.into(), target.stable.into()),
                                replicas.into(),
                                surge.into(),
                                unavailable.into(),
                            );
                            assert_eq!(
                                (i64::from(next.canary), i64::from(next.stable)),
                                expected,
                                "{replicas} pods, {percent} %, surge {surge}, unavailable {unavailable}, {now:?} to {target:?}"
                            );
                            let kept = keep_available(now, next, bounds);
                            let left = |now: Now, sizes: Sizes| {
                                let stable = now.stable.unwrap_or_default();
                                now.canary.available.min(sizes.canary) + stable.available.min(sizes.stable)
                            };
                            let there = now.canary.lasting() + now.stable.unwrap_or_default().lasting();
                            assert!(
                                left(now, kept) >= there.min(bounds.least_available()),
                                "{now:?}, {kept:?}"
                            );
                            compared += 1;
                        }
                    }
                }
            }
        }
    }
    assert!(compared > 1_000_000, "{compared}");
}

/// From every weight to every other one, with pods that come up at once: within the bounds, and to the end.
#[test]
fn every_way_keeps_within_the_bounds_and_comes_to_its_end() {
    for replicas in 1..=MOST_REPLICAS {
        for (surge, unavailable) in AMOUNTS
            .iter()
            .flat_map(|surge| AMOUNTS.map(|other| (*surge, other)))
        {
            let bounds = Bounds::new(replicas, surge, unavailable);
            for (from, to) in WEIGHTS.iter().flat_map(|from| WEIGHTS.map(|to| (*from, to))) {
                let target = split(replicas, weight(to), surge);
                let mut now = split(replicas, weight(from), surge);
                for _ in 0..=4 * MOST_REPLICAS {
                    let state = Now {
                        canary: running(now.canary),
                        stable: Some(running(now.stable)),
                        others: 0,
                    };
                    let next = next_sizes(state, target, bounds);
                    let kept = next.canary.min(now.canary) + next.stable.min(now.stable);
                    let way = format!("{replicas} pods from {from} to {to} %, {bounds:?}: {now:?}, {next:?}");
                    assert!(kept >= bounds.least_available(), "too few: {way}");
                    assert!(next.canary + next.stable <= bounds.most(), "too many: {way}");
                    now = next;
                }
                assert_eq!(now, target, "{replicas} pods from {from} to {to} %, {bounds:?}");
            }
        }
    }
}
