//! The delivery as it runs - lanes, workers, acknowledgement by decisions, inventory - in a process that dies at random
//! moments: what each sink has heard at the end, apart from repetitions, is exactly what happened, in order.
//!
//! Time is virtual, so a seed is a history: sinks go up and down, lose answers and refuse events; Rollouts are deleted while a
//! sink is down, and while no controller runs. What outlives the process is in `world`, what it is in `process`.

mod process;
mod world;

use std::time::Duration;

use self::process::Process;
pub(super) use self::world::ScriptedSink;
use self::world::World;

/// So many whole histories.
const HISTORIES: u64 = 24;
/// So often the process dies in each of them.
const DEATHS: u32 = 12;
/// It dies after so many milliseconds, which is before, while and after a second passes until progress is noted.
const LIVES: std::ops::Range<u64> = 5..2_500;
/// By then all is told, whatever the sinks were: a hundred times the longest wait.
const TOLD_WITHIN: Duration = Duration::from_mins(50);

#[tokio::test(start_paused = true)]
async fn whenever_the_process_dies_every_sink_hears_exactly_what_happened_in_order() {
    for seed in 0..HISTORIES {
        let mut world = World::new(seed);
        for _ in 0..DEATHS {
            let lives = Duration::from_millis(world.random.u64(LIVES));
            Process::start(&world).run(&mut world, lives).await;
            world.passes_unseen().await;
        }
        let deaths = world.deaths;
        world.calms_down();
        Process::start(&world).tells_all(&mut world, TOLD_WITHIN).await;

        world.is_told(seed);
        assert_eq!(deaths, DEATHS);
    }
}
