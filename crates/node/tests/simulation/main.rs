//! Whole committees in one deterministic simulation: real consensus, real execution, real state
//! database and history, simulated clock, network and disks.
//!
//! Every run is a function of its seed. A failure prints the seed; `CAIRN_SIM_SEED=7 cargo test
//! --release -p cairn-node --test simulation NAME` replays exactly that run, `CAIRN_SIM_RUNS=50`
//! tries that many seeds.

#![allow(unreachable_pub, reason = "modules of one test")]

mod byzantine;
mod cluster;
mod equivocation;
mod load;
mod same_chain;
mod transfer;
mod validator;

use byzantine::Fault;
use cluster::{Behaviour, Cluster};
use commonware_consensus::types::{Epoch, Round, View};
use commonware_glue::simulate::{
    action::{Action, Crash, Schedule},
    exit::ProcessedHeightAtLeast,
    plan::PlanBuilder,
};
use commonware_p2p::simulated::Link;
use commonware_utils::probability;
use load::Load;
use same_chain::SameChain;
use std::time::Duration;

/// Seeds of one test: those of the environment, or `default` of them from 0.
fn seeds(default: u64) -> Vec<u64> {
    let number = |name| std::env::var(name).ok().and_then(|text: String| text.parse::<u64>().ok());
    match number("CAIRN_SIM_SEED") {
        Some(seed) => vec![seed],
        None => (0..number("CAIRN_SIM_RUNS").unwrap_or(default)).collect(),
    }
}

fn link(latency_ms: u64, jitter_ms: u64, success_percent: u64) -> Link {
    Link {
        latency: Duration::from_millis(latency_ms),
        jitter: Duration::from_millis(jitter_ms),
        success_rate: probability!(success_percent, 100),
    }
}

/// Runs the plan that `make` describes once for each seed; a failure names the seed.
fn run(runs: u64, make: impl Fn() -> PlanBuilder<Cluster>) {
    for seed in seeds(runs) {
        if let Err(error) = make().seed(seed).run() {
            panic!("replay with CAIRN_SIM_SEED={seed}: {error}");
        }
    }
}

fn plan(cluster: Cluster, height: u64) -> PlanBuilder<Cluster> {
    PlanBuilder::new(cluster)
        .exit_condition(ProcessedHeightAtLeast::new(height))
        .property(SameChain::up_to(height))
        .timeout(Duration::from_secs(600))
}

#[test]
fn one_validator_makes_a_chain() {
    run(2, || plan(Cluster::new(1), 30));
}

#[test]
fn four_validators_agree_on_good_links() {
    run(2, || plan(Cluster::new(4), 30).link(link(10, 5, 100)));
}

#[test]
fn ten_validators_agree_over_slow_links() {
    run(1, || plan(Cluster::new(10), 12).link(link(100, 20, 100)));
}

#[test]
fn lossy_links_delay_but_never_fork() {
    run(2, || plan(Cluster::new(5), 20).link(link(150, 100, 75)));
}

#[test]
fn crashes_at_random_points_lose_nothing() {
    let crash = Crash::Random {
        frequency: Duration::from_secs(3),
        downtime: Duration::from_secs(1),
        count: 1,
    };
    run(3, || plan(Cluster::new(4), 40).link(link(20, 10, 100)).crash(crash.clone()));
}

#[test]
fn progress_resumes_after_a_total_outage() {
    let mut schedule = Schedule::new();
    for key in Cluster::new(4).keys() {
        schedule = schedule.at(Duration::from_secs(5), Action::Crash(key));
    }
    for key in Cluster::new(4).keys() {
        schedule = schedule.at(Duration::from_secs(8), Action::Restart(key));
    }
    run(2, || plan(Cluster::new(4), 30).crash(Crash::Schedule(schedule.clone())));
}

#[test]
fn progress_resumes_after_a_partition_heals() {
    let keys = Cluster::new(4).keys();
    let cut = link(10, 0, 0);
    let mut schedule = Schedule::new();
    for (from, to) in [(0, 2), (0, 3), (1, 2), (1, 3)] {
        for (a, b) in [(from, to), (to, from)] {
            schedule = schedule.at(
                Duration::from_secs(4),
                Action::UpdateLink {
                    from: keys[a].clone(),
                    to: keys[b].clone(),
                    link: cut.clone(),
                },
            );
        }
    }
    schedule = schedule.at(Duration::from_secs(15), Action::Heal(link(10, 5, 100)));
    run(2, || plan(Cluster::new(4), 30).crash(Crash::Schedule(schedule.clone())));
}

#[test]
fn a_proposer_of_wrong_state_roots_is_outvoted() {
    run(2, || plan(Cluster::new(4).with(0, Behaviour::Proposes(Fault::StateRoot)), 20));
}

#[test]
fn a_proposer_of_invalid_transactions_is_outvoted() {
    run(2, || plan(Cluster::new(4).with(1, Behaviour::Proposes(Fault::Transaction)), 20));
}

#[test]
fn a_proposer_of_wrong_receipts_is_outvoted() {
    run(2, || plan(Cluster::new(4).with(2, Behaviour::Proposes(Fault::Receipts)), 20));
}

/// Runs a committee of four with a Byzantine member for each seed. Nobody else may be blamed; what
/// must be seen of the member is up to `check`, which gets the views with two proposals and
/// whether it was caught.
fn run_against(behaviour: Behaviour, forgiving: bool, check: impl Fn(usize, bool) -> bool) {
    for seed in seeds(4) {
        let member = (seed % 4) as usize;
        let mut cluster = Cluster::new(4).with(member, behaviour);
        if forgiving {
            cluster = cluster.forgiving();
        }
        if let Err(error) = plan(cluster.clone(), 30).seed(seed).run() {
            panic!("replay with CAIRN_SIM_SEED={seed}: {error}");
        }
        let (evidence, key) = (cluster.evidence(), &cluster.keys()[member]);
        let (views, blamed) = (evidence.equivocations(), evidence.blamed());
        println!("seed {seed}: two proposals in {views} views, {} caught", blamed.len());
        assert!(blamed.iter().all(|blamed| blamed == key), "seed {seed}: an honest one is blamed");
        assert!(check(views, !blamed.is_empty()), "seed {seed}: the attack was not seen");
    }
}

#[test]
fn two_blocks_proposed_to_different_peers_fork_nobody() {
    run_against(Behaviour::SplitTwins, true, |views, _| views >= 3);
}

#[test]
fn two_blocks_proposed_to_everybody_fork_nobody() {
    run_against(Behaviour::LoudTwins, true, |views, caught| views >= 3 && caught);
}

#[test]
fn a_proposer_of_two_blocks_is_caught_and_cut_off() {
    run_against(Behaviour::LoudTwins, false, |views, caught| views >= 1 && caught);
}

#[test]
fn votes_for_two_blocks_fork_nobody() {
    run_against(Behaviour::Conflicts, true, |_, caught| caught);
}

#[test]
fn a_voter_for_two_blocks_is_caught_and_cut_off() {
    run_against(Behaviour::Conflicts, false, |_, caught| caught);
}

/// A transaction goes to the leader (1 delay), waits until a block is due, is proposed (2), and the
/// block is notarized (3) and finalized (4). The fifth is for a proposal that waits for the
/// certificate of its parent.
fn receipts_come_within_five_delays(every: Duration, heights: u64) {
    let delay = Duration::from_millis(100);
    for seed in seeds(2) {
        let cluster = Cluster::new(10).with_load(Load::every(every));
        let pace = Duration::from_millis(cluster.parameters().min_block_interval_ms);
        let load = cluster.load();
        let plan = plan(cluster, heights).link(link(100, 0, 100));
        if let Err(error) = plan.seed(seed).run() {
            panic!("replay with CAIRN_SIM_SEED={seed}: {error}");
        }
        let mut taken = load.receipts.lock().clone();
        taken.sort_unstable();
        let (count, limit) = (taken.len(), 5 * delay + pace);
        let (median, last) = (taken[count / 2], taken[count - 1]);
        println!("seed {seed}: {count} receipts, median {median:?}, last {last:?} of {limit:?}");
        assert!(count >= 30, "seed {seed}: only {count} receipts");
        assert!(last <= limit, "seed {seed}: a receipt took {last:?}, limit {limit:?}");
    }
}

#[test]
fn receipts_come_within_five_delays_and_the_pace_on_a_busy_chain() {
    receipts_come_within_five_delays(Duration::from_millis(150), 40);
}

#[test]
fn receipts_come_within_five_delays_and_the_pace_on_a_quiet_chain() {
    receipts_come_within_five_delays(Duration::from_secs(6), 60);
}

#[test]
fn a_late_validator_fetches_the_state_instead_of_replaying() {
    run(2, || {
        let cluster = Cluster::new(4);
        let late = Crash::DelayRound {
            participants: vec![cluster.keys()[3].clone()],
            round: Round::new(Epoch::zero(), View::new(40)),
        };
        PlanBuilder::new(cluster)
            .exit_condition(ProcessedHeightAtLeast::new(80))
            .property(SameChain::between(70, 80))
            .timeout(Duration::from_secs(600))
            .crash(late)
    });
}

#[test]
fn a_follower_without_a_vote_has_the_same_chain() {
    run(2, || plan(Cluster::new(4).with_follower(), 30));
}

#[test]
fn the_same_seed_gives_the_same_run() {
    let state = || {
        let results = plan(Cluster::new(4), 10).seed(11).run().expect("the run succeeds");
        results[0].state.clone()
    };
    assert_eq!(state(), state());
}
