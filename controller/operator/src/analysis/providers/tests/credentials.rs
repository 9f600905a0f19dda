//! What is sent with a query, read from files that change, and shown nowhere. And https.

use std::path::{Path, PathBuf};

use super::*;
use crate::access::https_server::https_server;
use crate::access::{self, BasicAuth, Header, Hidden};
use crate::analysis::plugin_directory::tests::Mounts;

const SECRET: &str = "s3cret-word";

/// A mounted Secret, and the path of one of its files.
fn mounted(file: &str, content: &str) -> (Mounts, PathBuf) {
    let mounts = Mounts::new();
    mounts.config_map("credentials", &[(file, content.as_bytes())]);
    let path = mounts.directory.join("credentials").join(file);
    (mounts, path)
}

fn with_token(address: Address, path: &Path) -> Provider {
    Provider {
        bearer_token_file: Some(path.to_owned()),
        ..for_shop(address)
    }
}

#[tokio::test]
async fn a_token_is_read_from_its_file_at_each_query() {
    let (mounts, path) = mounted("token", &format!("{SECRET}\n"));
    let (address, asked) = server(ok(UP)).await;
    let providers = with(with_token(address, &path));
    let analysis = providers.for_namespace("shop");

    analysis.query(&query("up")).await.unwrap();
    mounts.config_map("credentials", &[("token", b"another-word")]);
    analysis.query(&query("up")).await.unwrap();

    let asked = asked.lock();
    assert_eq!(asked[0].headers["authorization"], format!("Bearer {SECRET}"));
    assert_eq!(asked[1].headers["authorization"], "Bearer another-word");
}

#[tokio::test]
async fn a_user_and_other_headers_are_sent() {
    let (_mounts, path) = mounted("password", SECRET);
    let (address, asked) = server(ok(UP)).await;
    let user = BasicAuth {
        username: Some(Hidden("web".to_owned())),
        username_file: None,
        password_file: path.clone(),
    };
    let header = |value: Option<&str>, file: Option<&PathBuf>| Header {
        value: value.map(|value| Hidden(value.to_owned())),
        file: file.cloned(),
    };
    let providers = with(Provider {
        basic_auth: Some(user),
        headers: BTreeMap::from([
            ("X-Scope-OrgID".to_owned(), header(Some("blue"), None)),
            ("X-Token".to_owned(), header(None, Some(&path))),
        ]),
        ..for_shop(address)
    });

    providers.for_namespace("shop").query(&query("up")).await.unwrap();

    let headers = &asked.lock()[0].headers;
    // web:s3cret-word
    assert_eq!(headers["authorization"], "Basic d2ViOnMzY3JldC13b3Jk");
    assert_eq!(
        (&headers["x-scope-orgid"], &headers["x-token"]),
        (&"blue".parse().unwrap(), &SECRET.parse().unwrap())
    );
}

#[tokio::test]
async fn a_file_that_can_not_be_used_is_an_error_of_the_query_with_its_field() {
    let long = "x".repeat(70_000);
    let cases = [
        ("s3cret-word\0", "characters that no header can have"),
        (" \n", "is empty"),
        (long.as_str(), "more than 65536 bytes"),
    ];
    for (content, words) in cases {
        let (_mounts, path) = mounted("token", content);
        let (address, asked) = server(ok(UP)).await;
        let providers = with(with_token(address, &path));

        let answer = providers.for_namespace("shop").query(&query("up")).await;

        let told = format!("{answer:?}");
        assert_unavailable(answer, &["bearerTokenFile", words]);
        assert!(!told.contains(SECRET), "{told}");
        assert!(asked.lock().is_empty());
    }
}

#[tokio::test]
async fn a_file_that_is_not_there_is_an_error_until_it_is_there() {
    let mounts = Mounts::new();
    let path = mounts.directory.join("credentials").join("token");
    let (address, _) = server(ok(UP)).await;
    let providers = with(with_token(address, &path));
    let analysis = providers.for_namespace("shop");

    let missing = analysis.query(&query("up")).await;
    mounts.config_map("credentials", &[("token", SECRET.as_bytes())]);
    let there = analysis.query(&query("up")).await;

    assert_unavailable(missing, &["bearerTokenFile", "credentials/token", "No such file"]);
    assert!(there.is_ok());
}

#[tokio::test]
async fn a_server_that_sends_a_secret_back_does_not_bring_it_into_a_message() {
    let (_mounts, path) = mounted("token", SECRET);
    let body = format!(r#"{{"status":"error","errorType":"bad_data","error":"what is Bearer {SECRET}?"}}"#);
    let (address, _) = server(Answered::With(StatusCode::BAD_REQUEST, body)).await;
    let providers = with(with_token(address, &path));

    let answer = providers.for_namespace("shop").query(&query("up")).await;

    let expected = "bad_data: what is Bearer (hidden)?".to_owned();
    assert_eq!(answer, Err(QueryError::BadQuery(expected)));
    assert!(!format!("{providers:?}").contains(SECRET));
}

#[tokio::test]
async fn credentials_stay_with_their_provider() {
    let (_mounts, path) = mounted("token", SECRET);
    let (address, _) = server(ok(UP)).await;
    let (elsewhere, asked_elsewhere) = server(ok(UP)).await;
    let configuration = Configuration {
        allowed_addresses: vec![access::Allowed::Exactly(elsewhere.clone())],
        ..configuration(with_token(address, &path))
    };
    let providers = Arc::new(Providers::new(&configuration));
    let source = Source {
        address: Some(elsewhere.to_string()),
        timeout: None,
    };

    let analysis = providers.for_namespace("shop").only(&source, &BTreeSet::new());
    analysis.query(&query("up")).await.unwrap();

    assert!(!asked_elsewhere.lock()[0].headers.contains_key("authorization"));
}

#[tokio::test]
async fn https_is_spoken_with_whom_the_authority_vouches_for() {
    let (address, authority) = https_server(UP).await;
    let (_, other_authority) = https_server(UP).await;
    let (mounts, path) = mounted("ca.crt", &other_authority);
    let providers = with(Provider {
        ca_file: Some(path),
        ..for_shop(address)
    });
    let analysis = providers.for_namespace("shop");

    let not_trusted = analysis.query(&query("up")).await;
    mounts.config_map("credentials", &[("ca.crt", authority.as_bytes())]);
    let trusted = analysis.query(&query("up")).await;
    mounts.config_map("credentials", &[("ca.crt", b"no certificate")]);
    let broken = analysis.query(&query("up")).await;

    assert_unavailable(not_trusted, &["127.0.0.1", "certificate"]);
    assert!(trusted.is_ok(), "{trusted:?}");
    assert_unavailable(broken, &["caFile", "no certificate (PEM)"]);
}

#[tokio::test]
async fn without_an_authority_of_its_own_a_server_that_nobody_vouches_for_is_not_asked() {
    let (address, _) = https_server(UP).await;

    let answer = with(for_shop(address))
        .for_namespace("shop")
        .query(&query("up"))
        .await;

    assert_unavailable(answer, &["127.0.0.1"]);
}
