//! Who may see a Rollout: the API server says so.

use axum::http::{HeaderMap, StatusCode, header};
use k8s_openapi::api::authentication::v1::{TokenReview, TokenReviewSpec, UserInfo};
use k8s_openapi::api::authorization::v1::{ResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec};
use kube::api::PostParams;
use kube::{Api, Client};
use kulta_api::{Group, rollout};
use thiserror::Error;

use crate::key::ObjectKey;

/// Whom the tokens are for. One that is lost on its way opens nothing else: the API server itself does not take it.
pub const AUDIENCE: &str = "kulta";

/// What stands before the token.
const SCHEME: &str = "Bearer ";
/// Whoever may do this to a Rollout may see its history, which is part of it.
const VERB: &str = "get";

/// Asks the API server.
pub(super) struct Access(Client);

/// Somebody may not see the Rollout, or nobody can say whether.
#[derive(Debug, Error)]
pub(super) enum AccessError {
    #[error(
        "a token is expected in the header Authorization, as in Bearer TOKEN: kubectl create token SERVICE-ACCOUNT \
         --audience={AUDIENCE} makes one"
    )]
    NoToken,
    #[error(
        "the token is not valid, or not for the audience {AUDIENCE}: kubectl create token SERVICE-ACCOUNT \
         --audience={AUDIENCE} makes one"
    )]
    BadToken,
    #[error(
        "{user} may not {VERB} the Rollout {key}: bind it to the ClusterRole kulta-view in that namespace"
    )]
    Forbidden { user: String, key: ObjectKey },
    #[error(
        "the API server does not say who may see it (the controller needs the ClusterRole system:auth-delegator)"
    )]
    Unknown(#[source] Box<kube::Error>),
}

impl AccessError {
    pub(super) const fn status(&self) -> StatusCode {
        match self {
            Self::NoToken | Self::BadToken => StatusCode::UNAUTHORIZED,
            Self::Forbidden { .. } => StatusCode::FORBIDDEN,
            Self::Unknown(_) => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}

impl From<kube::Error> for AccessError {
    fn from(error: kube::Error) -> Self {
        Self::Unknown(Box::new(error))
    }
}

impl Access {
    pub(super) const fn new(client: Client) -> Self {
        Self(client)
    }

    /// Whether the sender of `headers` may see the Rollout `key`, which need not be there.
    pub(super) async fn check(&self, headers: &HeaderMap, key: &ObjectKey) -> Result<(), AccessError> {
        let user = self.user(token(headers)?).await?;
        let name = user.username.clone().unwrap_or_default();
        if self.may_see(user, key).await? {
            return Ok(());
        }
        Err(AccessError::Forbidden {
            user: name,
            key: key.clone(),
        })
    }

    async fn user(&self, token: &str) -> Result<UserInfo, AccessError> {
        let review = TokenReview {
            spec: TokenReviewSpec {
                audiences: Some(vec![AUDIENCE.to_owned()]),
                token: Some(token.to_owned()),
            },
            ..TokenReview::default()
        };
        let reviews = Api::<TokenReview>::all(self.0.clone());
        let review = reviews.create(&PostParams::default(), &review).await?;
        let status = review.status.unwrap_or_default();
        // An authenticator that knows nothing of audiences leaves them out: its token may be for anybody.
        let is_for_us = status
            .audiences
            .unwrap_or_default()
            .iter()
            .any(|it| it == AUDIENCE);
        let is_authentic = status.authenticated == Some(true) && is_for_us;
        let user = status.user.filter(|_| is_authentic);
        user.ok_or(AccessError::BadToken)
    }

    async fn may_see(&self, user: UserInfo, key: &ObjectKey) -> Result<bool, AccessError> {
        let review = SubjectAccessReview {
            spec: SubjectAccessReviewSpec {
                extra: user.extra,
                groups: user.groups,
                resource_attributes: Some(ResourceAttributes {
                    group: Some(Group::Kulta.as_str().to_owned()),
                    version: Some(kulta_api::VERSION.to_owned()),
                    resource: Some(rollout::PLURAL.to_owned()),
                    namespace: Some(key.namespace.clone()),
                    name: Some(key.name.clone()),
                    verb: Some(VERB.to_owned()),
                    ..ResourceAttributes::default()
                }),
                uid: user.uid,
                user: user.username,
                ..SubjectAccessReviewSpec::default()
            },
            ..SubjectAccessReview::default()
        };
        let reviews = Api::<SubjectAccessReview>::all(self.0.clone());
        let review = reviews.create(&PostParams::default(), &review).await?;
        Ok(review.status.is_some_and(|status| status.allowed))
    }
}

fn token(headers: &HeaderMap) -> Result<&str, AccessError> {
    let given = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok());
    given
        .and_then(|value| value.strip_prefix(SCHEME))
        .map(str::trim)
        .filter(|token| !token.is_empty())
        .ok_or(AccessError::NoToken)
}
