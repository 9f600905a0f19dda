//! What is read of Secrets, and what is told where it can't be.

use kulta_api::analysis::parse;
use serde_json::{Value, json};

use super::*;
use crate::scenario::{Reply, expect, scenario};
use crate::watch::samples;

const READ: &str = "GET /api/v1/namespaces/shop/secrets/access";

/// An AnalysisRun whose metric takes these keys of the Secret `access`.
pub(crate) fn taking(keys: &[&str]) -> Value {
    let mut run = samples::analysis_run("web", "web-abc-2");
    let argument = |key: &&str| {
        let reference = json!({"secretKeyRef": {"name": "access", "key": key}});
        json!({"name": key, "valueFrom": reference})
    };
    run["spec"]["args"] = keys.iter().map(argument).collect();
    let matchers: Vec<_> = keys
        .iter()
        .map(|key| format!("{key}=\"{{{{args.{key}}}}}\""))
        .collect();
    let query = format!("up{{{}}}", matchers.join(","));
    run["spec"]["metrics"][0]["provider"]["plugin"]["prometheus"]["query"] = json!(query);
    run
}

/// The Secret as the API server has it.
pub(crate) fn secret(data: &[(&str, &[u8])]) -> Reply {
    let data: BTreeMap<_, _> = data
        .iter()
        .map(|(key, bytes)| (key, STANDARD.encode(bytes)))
        .collect();
    Reply::With(
        200,
        json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "access"}, "data": data}),
    )
}

/// A refusal in the words of the API server.
pub(crate) fn refused(user: &str) -> Reply {
    let message = format!(
        "secrets \"access\" is forbidden: User \"{user}\" cannot get resource \"secrets\" in API group \"\" in the \
         namespace \"shop\""
    );
    Reply::failure(403, "Forbidden", &message, &[])
}

async fn read(reply: Reply, keys: &[&str]) -> Result<Result<SecretTexts, String>, ReadError> {
    let task = parse(&taking(keys)["spec"], &|metric, argument| {
        stand_in("uid", metric, argument)
    })
    .unwrap();
    let ended = scenario(vec![expect(READ, reply)], async |context| {
        let secrets = Secrets::read(&context.client, "shop", task.measured.iter()).await?;
        Ok(secrets.of(&task.measured[0]))
    });
    ended.await.outcome
}

async fn problem(reply: Reply) -> String {
    read(reply, &["token"]).await.unwrap().unwrap_err()
}

#[tokio::test]
async fn two_keys_of_one_secret_are_read_at_once() {
    let reply = secret(&[("token", b"s3cret"), ("tenant", b"blue-7")]);

    let texts = read(reply, &["token", "tenant"]).await.unwrap().unwrap();

    let stands = |argument: &str| json!(stand_in("uid", "spec.metrics[0]", argument));
    let filled = texts.put_into(&json!([stands("token"), [{"x": stands("tenant")}], 1]));
    assert_eq!(filled, json!(["s3cret", [{"x": "blue-7"}], 1]));
    assert!(!format!("{texts:?}").contains("s3cret"));
}

#[tokio::test]
async fn a_refusal_is_told_with_the_rights_to_give() {
    let told = problem(refused("system:serviceaccount:kulta-system:kulta-controller")).await;

    assert_eq!(
        told,
        "spec.args[0].valueFrom.secretKeyRef: the Secret \"access\" may not be read: in namespace \"shop\", give the \
         ServiceAccount \"kulta-controller\" of namespace \"kulta-system\" a Role (apiGroups [\"\"], resources [secrets], \
         resourceNames [access], verbs [get]) by a RoleBinding: kubectl -n shop create role kulta-secret-access \
         --verb=get --resource=secrets --resource-name=access && kubectl -n shop create rolebinding kulta-secret-access \
         --role=kulta-secret-access --serviceaccount=kulta-system:kulta-controller"
    );
}

#[tokio::test]
async fn who_was_refused_need_not_be_a_service_account() {
    assert!(problem(refused("alice")).await.ends_with("--user=alice"));
    let silent = Reply::failure(403, "Forbidden", "no", &[]);
    assert!(
        problem(silent)
            .await
            .ends_with("--serviceaccount=kulta-system:kulta-controller")
    );
}

#[tokio::test]
async fn what_is_wrong_with_a_secret_is_told_without_what_is_in_it() {
    let cases = [
        (
            Reply::failure(404, "NotFound", "not found", &[]),
            "is not there in namespace \"shop\"",
        ),
        (secret(&[("tokens", b"s3cret")]), "has no key \"token\""),
        (secret(&[("token", b"s3cret\xff")]), "no UTF-8 text"),
        (secret(&[("token", b"abc")]), "fewer than 4 bytes"),
        (secret(&[("token", &[b'x'; 5_000])]), "more than 4096 bytes"),
        (
            Reply::With(200, json!({"data": {"token": "s3cret?"}})),
            "not base64",
        ),
        (Reply::With(200, json!({"data": "s3cret"})), "can't be decoded"),
    ];
    for (reply, words) in cases {
        let told = problem(reply).await;

        let begins = "spec.args[0].valueFrom.secretKeyRef: the Secret \"access\" ";
        assert!(told.starts_with(begins) && told.contains(words), "{told}");
        assert!(!told.contains("s3cret"), "{told}");
    }
}

#[tokio::test]
async fn an_api_server_that_has_no_answer_says_nothing_about_the_secret() {
    let broken = Reply::failure(500, "InternalError", "oops", &[]);

    assert!(read(broken, &["token"]).await.is_err());
}

#[test]
fn stand_ins_differ_by_analysis_metric_and_argument_and_are_of_one_length() {
    let one = stand_in("uid", "spec.metrics[0]", "token");
    let others = [
        stand_in("uid-2", "spec.metrics[0]", "token"),
        stand_in("uid", "spec.metrics[1]", "token"),
        stand_in("uid", "spec.metrics[0]", "tenant"),
    ];

    assert_eq!(one, stand_in("uid", "spec.metrics[0]", "token"));
    for other in others {
        assert!(
            other != one && other.len() == STAND_IN_BEGINS.len() + STAND_IN_DIGITS,
            "{other}"
        );
    }
}
