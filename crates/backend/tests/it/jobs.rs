//! The worker: what it has nothing to do for, it leaves in peace.

use std::time::Duration;

use kubewise_backend::testing::Installation;

/// Looks of five queues every other second, the clocks of audits and notifications, heartbeats: far from what a loop
/// without a wait would ask.
const AT_MOST: i64 = 400;

#[tokio::test]
async fn a_worker_without_jobs_asks_the_database_for_little() {
    let at = Installation::new().await;
    let _worker = at.work();
    tokio::time::sleep(Duration::from_secs(2)).await;
    let before = transactions(&at).await;
    tokio::time::sleep(Duration::from_secs(8)).await;
    let after = transactions(&at).await;
    assert!(before > 0, "nothing was counted");
    assert!(after > before, "nothing was looked into");
    assert!(after - before < AT_MOST, "{} transactions in eight seconds without a job", after - before);
}

/// Transactions in the database of the test, by PostgreSQL's own count.
async fn transactions(at: &Installation) -> i64 {
    sqlx::query_scalar("SELECT xact_commit + xact_rollback FROM pg_stat_database WHERE datname = current_database()")
        .fetch_one(&at.database.superuser())
        .await
        .unwrap()
}
