//! An audit from its beginning to its end, with its evidence on an S3 server.

use std::time::Duration;

use kubewise_backend::{
    Error, Held,
    permission::{ManageClusters, RunAudits, ViewInventory},
    testing::{Installation, TestDatabase},
};
use kubewise_contract::RunState;
use serde_json::{Value, json};

use super::server::{Server, address};

#[tokio::test]
async fn evidence_is_kept_read_and_removed() {
    let server = Server::start().await;
    let database = TestDatabase::new().await.with_bucket(address("production"), server.access());
    let at = Installation::on(database);
    let tenant = at.tenant("acme").await;
    let cluster = at.empty_cluster(&tenant, "eu").await;
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "debug", "namespace": "shop"},
        "spec": {"hostPID": true, "containers": [{"name": "app", "image": "shop:1"}]},
    });
    at.put(&tenant, cluster, &pod).await;
    let _worker = at.work();
    let look = async || at.web.cluster::<ViewInventory>(&tenant.owner, &tenant.slug, cluster).await.unwrap();
    let runs = at.web.cluster::<RunAudits>(&tenant.owner, &tenant.slug, cluster).await.unwrap();
    at.web.run_audit(&runs).await.unwrap();
    let mut left = 600;
    let run = loop {
        let found = at.web.cluster_audit(&look().await).await.unwrap();
        if let Some(run) = found.cluster.last {
            break run;
        }
        left -= 1;
        assert!(left > 0, "the audit is not done");
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    assert_eq!((run.state, run.objects), (RunState::Done, 1));
    let evidence = at.web.evidence(&look().await, 1).await.unwrap();
    assert_eq!(serde_json::from_slice::<Value>(&evidence).unwrap(), pod);

    let bucket = at.database.bucket();
    let kept = bucket.usage_under(&tenant.org.to_string()).await.unwrap();
    assert!(kept.objects == 1 && kept.bytes > 100);
    let file = server.file(&format!("production/{}/{cluster}/audits/1/evidence", tenant.org));
    let object = std::fs::read(&file).unwrap();
    assert_eq!(object.len() as u64, kept.bytes);
    assert!(!object.windows(7).any(|window| window == b"hostPID"));
    // What somebody changed there is refused, and what is gone is not there.
    std::fs::write(&file, &object[1..]).unwrap();
    assert!(matches!(at.web.evidence(&look().await, 1).await, Err(Error::Internal(_))));
    std::fs::remove_file(&file).unwrap();
    assert!(matches!(at.web.evidence(&look().await, 1).await, Err(Error::NotFound)));
    std::fs::write(&file, &object).unwrap();

    let managed = at.web.cluster::<ManageClusters>(&tenant.owner, &tenant.slug, cluster).await.unwrap();
    at.web.delete_cluster(&managed).await.unwrap();
    for _ in 0..200 {
        if bucket.usage_under(&tenant.org.to_string()).await.unwrap() == Held::default() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("what a deleted cluster had is still there");
}
