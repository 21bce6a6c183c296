//! What is the same wherever objects are.

use futures::{StreamExt, stream};
use kubewise_backend::{BucketAddress, Error, Held, S3Access, testing::TestObjects};

use super::{
    all, noise, pieces,
    server::{Server, address},
};

const MIB: usize = 1 << 20;

#[tokio::test]
async fn in_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    let objects = TestObjects::open(&BucketAddress::Folder(folder.path().to_owned()), &S3Access::default());
    suite(&objects).await;
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "no folder and no half of an object is left");
}

#[tokio::test]
async fn on_an_s3_server() {
    let server = Server::start().await;
    suite(&TestObjects::open(&address(""), &server.access())).await;
    assert_eq!(server.parts_left(), Vec::<String>::new());
}

#[tokio::test]
async fn on_an_s3_server_below_a_prefix() {
    let server = Server::start().await;
    std::fs::create_dir_all(server.file("other")).unwrap();
    std::fs::write(server.file("other/theirs"), "theirs").unwrap();
    suite(&TestObjects::open(&address("kubewise/production"), &server.access())).await;
    assert_eq!(std::fs::read(server.file("other/theirs")).unwrap(), b"theirs");
}

#[tokio::test]
async fn a_bucket_that_there_is_not_is_a_fault_and_not_empty() {
    let server = Server::start().await;
    let address = BucketAddress::S3 { bucket: "another".to_owned(), prefix: String::new() };
    let objects = TestObjects::open(&address, &server.access());
    // This server makes a bucket that something is put into.
    for failed in [objects.usage_under("a").await, objects.remove_under("a").await] {
        assert!(matches!(failed, Err(Error::Internal(_))), "{failed:?}");
    }
}

async fn suite(objects: &TestObjects) {
    lengths(objects).await;
    replaced(objects).await;
    not_there(objects).await;
    content_that_fails(objects).await;
    removed(objects).await;
    claimed_once(objects).await;
}

/// Around the ends of records (1 MiB) and of parts (8 MiB).
async fn lengths(objects: &TestObjects) {
    let around = [0, 1, MIB - 1, MIB, MIB + 1, 2 * MIB, 8 * MIB - 1, 8 * MIB, 12 * MIB, 17 * MIB + 3];
    for (seed, bytes) in around.into_iter().enumerate() {
        let content = noise(bytes, seed as u64);
        let name = format!("lengths/{bytes}");
        let piece = [MIB, 100_000, 5 * MIB][seed % 3];
        let (stored, _) = objects.put_as_it_is(&name, pieces(&content, piece)).await.unwrap();
        assert_eq!(all(objects.records(&name).await.unwrap()).await.unwrap(), content, "{bytes}");
        // A head of 61 bytes, and a tag of 16 for each record.
        assert_eq!(stored, 61 + bytes as u64 + 16 * bytes.div_ceil(MIB).max(1) as u64);
        assert_eq!(objects.usage_under(&name[..7]).await.unwrap().objects, seed as u64 + 1);
    }
    for bytes in [0, 10, 3 * MIB] {
        let content = vec![b'a'; bytes];
        let (stored, _) = objects.put("packed", pieces(&content, MIB / 3)).await.unwrap();
        assert!(stored < 1_000, "it is compressed");
        assert_eq!(objects.get("packed").await.unwrap(), content);
        assert_eq!(all(objects.get_stream("packed").await.unwrap()).await.unwrap(), content);
    }
    objects.remove("packed").await.unwrap();
    objects.remove("packed").await.unwrap();
    let held = objects.usage_under("lengths").await.unwrap();
    assert_eq!(objects.remove_under("lengths").await.unwrap(), held);
}

async fn replaced(objects: &TestObjects) {
    for bytes in [100, 9 * MIB, 50] {
        let content = noise(bytes, 1);
        objects.put("replaced", pieces(&content, MIB)).await.unwrap();
        assert!(objects.get("replaced").await.unwrap() == content, "{bytes}");
    }
    objects.remove("replaced").await.unwrap();
}

async fn not_there(objects: &TestObjects) {
    assert!(matches!(objects.get("nothing/here").await, Err(Error::NotFound)));
    assert!(matches!(objects.get_stream("nothing/here").await, Err(Error::NotFound)));
    assert_eq!(objects.usage_under("nothing").await.unwrap(), Held::default());
    assert_eq!(objects.remove_under("nothing").await.unwrap(), Held::default());
}

/// In the middle of one request, and of the second part: what was there before stays.
async fn content_that_fails(objects: &TestObjects) {
    for before in [1_000, 10 * MIB] {
        let whole = noise(before, 2);
        for is_there in [false, true] {
            if is_there {
                objects.put("failed/one", stream::iter([Ok("before".into())])).await.unwrap();
            }
            let fails = stream::iter([Err(Error::LinkEnded)]);
            let failed = objects.put_as_it_is("failed/one", pieces(&whole, MIB).chain(fails)).await;
            assert!(matches!(failed, Err(Error::LinkEnded)));
            match objects.get("failed/one").await {
                Ok(content) => assert!(is_there && content == b"before"),
                Err(error) => assert!(!is_there && matches!(error, Error::NotFound), "{error}"),
            }
        }
        objects.remove_under("failed").await.unwrap();
    }
}

/// More than S3 lists, or removes, at once.
async fn removed(objects: &TestObjects) {
    let put = (0..1_203).map(|n| async move {
        let name = format!("{}/{}/{n}", if n % 400 == 0 { "few" } else { "many" }, n % 7);
        objects.put_as_it_is(&name, stream::iter([Ok("x".into())])).await.unwrap()
    });
    let put: Vec<_> = stream::iter(put).buffer_unordered(16).collect().await;
    assert!(put.iter().all(|(bytes, _)| *bytes == 61 + 17));
    assert_eq!(objects.usage_under("many").await.unwrap(), Held { objects: 1_199, bytes: 1_199 * 78 });
    assert_eq!(objects.names().await.unwrap().len(), 1_203);
    // Not those whose names only begin like it.
    assert_eq!(objects.remove_under("man").await.unwrap(), Held::default());
    assert_eq!(objects.remove_under("many").await.unwrap(), Held { objects: 1_199, bytes: 1_199 * 78 });
    assert_eq!(objects.remove_under("many").await.unwrap(), Held::default());
    assert_eq!(objects.names().await.unwrap(), ["few/0/0", "few/1/400", "few/2/800", "few/3/1200"]);
    assert_eq!(objects.remove_under("few").await.unwrap().objects, 4);
}

/// What is only put where there is nothing: by one of many who try.
async fn claimed_once(objects: &TestObjects) {
    assert_eq!(objects.claim("claimed", "first").await.unwrap(), "first");
    for other in ["second", "third"] {
        assert_eq!(objects.claim("claimed", other).await.unwrap(), "first");
    }
}
