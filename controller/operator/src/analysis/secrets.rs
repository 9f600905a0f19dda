//! Arguments that come from Secrets: read for each measurement, from the namespace of the AnalysisRun and no other, and
//! kept no longer than it takes.
//!
//! KULTA has no right to read Secrets unless a namespace gives it one, so what is told of a refusal is how.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use k8s_openapi::api::core::v1::Secret;
use kube::api::GetParams;
use kube::core::Request;
use kube::{Client, Error, Resource as _};
use kulta_api::analysis::{Measured, SecretArgument, SecretReference};
use kulta_core::spec::Problem;
use kulta_plugin_host::{Digest, SHORTEST_SECRET};
use serde::Deserialize;

use super::providers::secrets::{STAND_IN_BEGINS, STAND_IN_DIGITS, SecretTexts};
use super::rights::Subject;
use crate::observe::ReadError;
use crate::observe::read::within_limit;

/// A longer text is no credential, and a query has no room for it.
const LONGEST_TEXT: usize = 4 << 10;
/// The name of a Role is no longer than that of any object; what comes before the Secret's name has to fit in, too.
const LONGEST_ROLE: usize = 253;
/// What messages name as the controller where the API server does not say who was refused: as it is installed.
const USUAL_USER: &str = "system:serviceaccount:kulta-system:kulta-controller";
/// What the API server answers where a right is missing, and where there is no such object.
const FORBIDDEN: u16 = 403;
const NOT_FOUND: u16 = 404;

/// What stands in a metric of an AnalysisRun for an argument that comes from a Secret: nobody who does not know the
/// AnalysisRun can guess it, and it is the same in all calls for the metric, so that a plugin that compares its
/// configuration with that of its last call does not begin anew.
pub(super) fn stand_in(run_uid: &str, metric: &str, argument: &str) -> String {
    let digest = Digest::of(format!("{run_uid}\n{metric}\n{argument}").as_bytes()).to_string();
    let digits = digest.rsplit(':').next().unwrap_or_default();
    let digits = digits.get(..STAND_IN_DIGITS).unwrap_or(digits);
    format!("{STAND_IN_BEGINS}{digits}")
}

/// The texts of Secrets for one round of measurements, or why there are none.
#[derive(Default)]
pub(super) struct Secrets(BTreeMap<SecretReference, Result<String, String>>);

/// A Secret, as far as it is read. Not decoded by the client, which would log one that it can't decode.
#[derive(Deserialize)]
struct Held {
    data: Option<BTreeMap<String, String>>,
}

impl Secrets {
    /// Reads what `measured` takes of Secrets.
    pub(super) async fn read(
        client: &Client,
        namespace: &str,
        measured: impl Iterator<Item = &Measured>,
    ) -> Result<Self, ReadError> {
        let mut wanted = BTreeMap::<_, Vec<_>>::new();
        for SecretArgument { reference, .. } in measured.flat_map(|measured| &measured.secrets) {
            wanted.entry(&reference.name).or_default().push(reference);
        }
        let mut texts = BTreeMap::new();
        for (name, references) in wanted {
            let held = held(client, namespace, name).await?;
            for reference in references {
                let text = match &held {
                    Ok(held) => text_of(held, &reference.key),
                    Err(message) => Err(message.clone()),
                };
                let text = text.map_err(|problem| format!("the Secret {name:?} {problem}"));
                texts.insert(reference.clone(), text);
            }
        }
        Ok(Self(texts))
    }

    /// What can't be had of what these metrics take.
    pub(super) fn problems<'m>(&self, measured: impl Iterator<Item = &'m Measured>) -> Vec<Problem> {
        let mut problems = Vec::new();
        for argument in measured.flat_map(|measured| &measured.secrets) {
            if let Err(problem) = self.text(argument)
                && !problems.contains(&problem)
            {
                problems.push(problem);
            }
        }
        problems
    }

    /// The texts that a metric takes; why it can't have one otherwise.
    pub(super) fn of(&self, measured: &Measured) -> Result<SecretTexts, String> {
        let texts = measured.secrets.iter().map(|argument| {
            let text = self.text(argument).map_err(|problem| problem.to_string())?;
            Ok((argument.stand_in.clone(), text.to_owned()))
        });
        texts.collect::<Result<Vec<_>, String>>().map(SecretTexts::new)
    }

    fn text(&self, argument: &SecretArgument) -> Result<&str, Problem> {
        let SecretArgument { path, reference, .. } = argument;
        match self.0.get(reference) {
            Some(Ok(text)) => Ok(text),
            Some(Err(message)) => Err(Problem::new(path, message)),
            None => Err(Problem::new(path, "was not read")),
        }
    }
}

/// The Secret as it is now; what is wrong otherwise, in words that follow its name.
async fn held(client: &Client, namespace: &str, name: &str) -> Result<Result<Held, String>, ReadError> {
    let url = Secret::url_path(&(), Some(namespace));
    let request = Request::new(url).get(name, &GetParams::default());
    let request = request.map_err(Error::BuildRequest)?;
    match within_limit(client.request_text(request)).await {
        // The decoder's own words might have a part of it.
        Ok(body) => Ok(serde_json::from_str(&body).map_err(|_| "can't be decoded".to_owned())),
        Err(ReadError::Request(Error::Api(status))) if status.code == FORBIDDEN => {
            Ok(Err(forbidden(namespace, name, &status.message)))
        }
        Err(ReadError::Request(Error::Api(status))) if status.code == NOT_FOUND => Ok(Err(format!(
            "is not there in namespace {namespace:?}; create it, or correct the name"
        ))),
        Err(error) => Err(error),
    }
}

fn text_of(held: &Held, key: &str) -> Result<String, String> {
    let encoded = held.data.as_ref().and_then(|data| data.get(key));
    let encoded = encoded.ok_or_else(|| format!("has no key {key:?}; add it, or correct the key"))?;
    let unusable = |problem: &str| format!("has a key {key:?} that can't be used: {problem}");
    let bytes = STANDARD
        .decode(encoded)
        .map_err(|_| unusable("it is not base64"))?;
    let text = String::from_utf8(bytes).map_err(|_| unusable("it is no UTF-8 text"))?;
    match text.len() {
        ..SHORTEST_SECRET => Err(unusable(&format!(
            "it has fewer than {SHORTEST_SECRET} bytes, which can't be kept out of messages; a text that is no secret \
             is a value"
        ))),
        SHORTEST_SECRET..=LONGEST_TEXT => Ok(text),
        _ => Err(unusable(&format!("it has more than {LONGEST_TEXT} bytes"))),
    }
}

/// What to do about a refusal. The API server says who was refused.
fn forbidden(namespace: &str, name: &str, said: &str) -> String {
    let who = Subject::of(said).unwrap_or_else(|| Subject::called(USUAL_USER));
    let flag = who.flag();
    let role = format!("kulta-secret-{name}");
    let role = role
        .get(..LONGEST_ROLE)
        .unwrap_or(&role)
        .trim_end_matches(['-', '.']);
    format!(
        "may not be read: in namespace {namespace:?}, give {who} a Role (apiGroups [\"\"], resources [secrets], \
         resourceNames [{name}], verbs [get]) by a RoleBinding: kubectl -n {namespace} create role {role} --verb=get \
         --resource=secrets --resource-name={name} && kubectl -n {namespace} create rolebinding {role} --role={role} \
         {flag}"
    )
}

#[cfg(test)]
pub(super) mod tests;
