//! Service configs: what a service's owner says about how it is to be called.
//!
//! The JSON is gRPC's `grpc.service_config.ServiceConfig`; retries, hedging and throttling are those of
//! proposal A6. As in gRPC, fields that are not known are ignored and `null` is the same as nothing.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tonic::Code;

use super::options::LoadBalancing;
use crate::error::InvalidArgument;

mod json;

use json::Place;

/// More attempts than these are never made (A6, "Limits on Retries and Hedges").
pub const MOST_ATTEMPTS: u32 = 5;

/// A service config.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ServiceConfig {
    /// By `/service/method`, `/service/` or, for the default, the empty text.
    methods: HashMap<Box<str>, Arc<MethodConfig>>,
    throttling: Option<RetryThrottling>,
    load_balancing: Option<LoadBalancing>,
}

/// What holds for a method.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct MethodConfig {
    /// The longest that a call may take.
    pub timeout: Option<Duration>,
    /// Whether calls wait for a connection where they do not say.
    pub wait_for_ready: Option<bool>,
    /// The longest message that is sent, in bytes, after compression.
    pub max_request: Option<usize>,
    /// The longest message that is taken, in bytes.
    pub max_response: Option<usize>,
    /// What happens when an attempt fails.
    pub policy: Option<Policy>,
}

/// How one call becomes several attempts.
#[derive(Debug, Clone, PartialEq)]
pub enum Policy {
    /// One after the other.
    Retry(RetryPolicy),
    /// Beside each other.
    Hedging(HedgingPolicy),
}

/// Attempts one after the other.
#[derive(Debug, Clone, PartialEq)]
pub struct RetryPolicy {
    /// How many attempts are made at the most, the first one included.
    pub max_attempts: u32,
    /// The pause before the second attempt.
    pub initial_backoff: Duration,
    /// The longest pause.
    pub max_backoff: Duration,
    /// By how much each pause is longer than the one before it.
    pub multiplier: f64,
    /// The codes after which another attempt is made.
    pub retryable: Codes,
}

/// Attempts beside each other.
#[derive(Debug, Clone, PartialEq)]
pub struct HedgingPolicy {
    /// How many attempts are made at the most, the first one included.
    pub max_attempts: u32,
    /// How long after an attempt the next one starts.
    pub delay: Duration,
    /// The codes that end their attempt only, not the call.
    pub non_fatal: Codes,
}

/// When failures are so many that retries would only make it worse.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RetryThrottling {
    /// The tokens that are there at the beginning, and at the most, in thousandths.
    pub max_tokens: u32,
    /// What a success brings, in thousandths of a token; a failure costs one token.
    pub token_ratio: u32,
}

/// A set of status codes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Codes(u32);

impl Codes {
    /// Whether `code` is in the set.
    pub fn contains(self, code: Code) -> bool {
        self.0 & (1 << code as u32) != 0
    }
}

impl FromIterator<Code> for Codes {
    fn from_iter<T: IntoIterator<Item = Code>>(codes: T) -> Self {
        Self(codes.into_iter().fold(0, |set, code| set | 1 << code as u32))
    }
}

impl Policy {
    /// Whether a failure with `code` is one that another attempt may mend.
    pub fn mends(&self, code: Code) -> bool {
        match self {
            Self::Retry(policy) => policy.retryable.contains(code),
            Self::Hedging(policy) => policy.non_fatal.contains(code),
        }
    }
}

impl ServiceConfig {
    /// Reads the JSON text of a service config.
    ///
    /// # Errors
    ///
    /// Where it is no JSON, or a known field has a value that it cannot have: the message names its path.
    pub fn parse(text: &str) -> Result<Self, InvalidArgument> {
        let value: serde_json::Value = serde_json::from_str(text)
            .map_err(|error| InvalidArgument::new(format!("the service config is not JSON: {error}")))?;
        let root = Place::root(&value);
        root.object()?;
        let mut config = Self { load_balancing: balancing(&root)?, ..Self::default() };
        for entry in root.field("methodConfig").map_or_else(|| Ok(Vec::new()), |list| list.items())? {
            let method = Arc::new(MethodConfig::read(&entry)?);
            for name in entry.field("name").map_or_else(|| Ok(Vec::new()), |list| list.items())? {
                let key = key(&name)?;
                if config.methods.insert(key.into(), Arc::clone(&method)).is_some() {
                    return Err(name.refuse("a name that no other methodConfig has"));
                }
            }
        }
        if let Some(place) = root.field("retryThrottling") {
            config.throttling = Some(RetryThrottling::read(&place)?);
        }
        Ok(config)
    }

    /// What holds for the method at `path` (`/service/method`): the most specific entry.
    pub fn method(&self, path: &str) -> Option<&Arc<MethodConfig>> {
        let service = path.rfind('/').and_then(|slash| path.get(..=slash));
        self.methods
            .get(path)
            .or_else(|| service.and_then(|service| self.methods.get(service)))
            .or_else(|| self.methods.get(""))
    }

    /// How retries are throttled.
    pub fn throttling(&self) -> Option<RetryThrottling> {
        self.throttling
    }

    /// How calls are spread over addresses, where the config says so.
    pub fn load_balancing(&self) -> Option<LoadBalancing> {
        self.load_balancing
    }
}

fn key(name: &Place<'_>) -> Result<String, InvalidArgument> {
    name.object()?;
    let text = |field: &str| name.field(field).map_or(Ok(""), |place| place.text("a text"));
    match (text("service")?, text("method")?) {
        ("", "") => Ok(String::new()),
        ("", _) => Err(name.refuse("a service wherever there is a method")),
        (service, method) => Ok(format!("/{service}/{method}")),
    }
}

fn balancing(root: &Place<'_>) -> Result<Option<LoadBalancing>, InvalidArgument> {
    const KNOWN: &str = "pick_first or round_robin";
    let known = |name: &str| match name {
        "pick_first" => Some(LoadBalancing::PickFirst),
        "round_robin" => Some(LoadBalancing::RoundRobin),
        _ => None,
    };
    if let Some(list) = root.field("loadBalancingConfig") {
        let entries = list.items()?;
        for entry in &entries {
            let Some((name, _)) =
                entry.object()?.iter().next().filter(|_| entry.object().is_ok_and(|o| o.len() == 1))
            else {
                return Err(entry.refuse("an object with one field, the policy's name"));
            };
            if let Some(policy) = known(name) {
                return Ok(Some(policy));
            }
        }
        if !entries.is_empty() {
            return Err(list.refuse(&format!("a list with a policy that is known: {KNOWN}")));
        }
    }
    let Some(place) = root.field("loadBalancingPolicy") else { return Ok(None) };
    match place.text(KNOWN)?.to_ascii_lowercase().as_str() {
        "" => Ok(None),
        name => known(name).map(Some).ok_or_else(|| place.refuse(KNOWN)),
    }
}

impl MethodConfig {
    fn read(place: &Place<'_>) -> Result<Self, InvalidArgument> {
        place.object()?;
        let bytes =
            |field| place.field(field).map(|p| p.integer(0, u32::MAX).map(|n| n as usize)).transpose();
        let retry = place.field("retryPolicy").map(|p| RetryPolicy::read(&p)).transpose()?;
        let hedging = place.field("hedgingPolicy").map(|p| HedgingPolicy::read(&p)).transpose()?;
        let policy = match (retry, hedging) {
            (Some(_), Some(_)) => {
                return Err(place.refuse("either retryPolicy or hedgingPolicy, not both"));
            }
            (Some(retry), None) => Some(Policy::Retry(retry)),
            (None, hedging) => hedging.map(Policy::Hedging),
        };
        Ok(Self {
            timeout: place.field("timeout").map(|p| p.duration()).transpose()?,
            wait_for_ready: place.field("waitForReady").map(|p| p.boolean()).transpose()?,
            max_request: bytes("maxRequestMessageBytes")?,
            max_response: bytes("maxResponseMessageBytes")?,
            policy,
        })
    }
}

fn attempts(policy: &Place<'_>) -> Result<u32, InvalidArgument> {
    policy.required("maxAttempts")?.integer(2, u32::MAX).map(|n| n.min(MOST_ATTEMPTS))
}

impl RetryPolicy {
    fn read(place: &Place<'_>) -> Result<Self, InvalidArgument> {
        place.object()?;
        let codes = place.required("retryableStatusCodes")?;
        if codes.items()?.is_empty() {
            return Err(codes.refuse("at least one status code"));
        }
        Ok(Self {
            max_attempts: attempts(place)?,
            initial_backoff: place.required("initialBackoff")?.positive_duration()?,
            max_backoff: place.required("maxBackoff")?.positive_duration()?,
            multiplier: place.required("backoffMultiplier")?.positive_number()?,
            retryable: codes.codes()?,
        })
    }
}

impl HedgingPolicy {
    fn read(place: &Place<'_>) -> Result<Self, InvalidArgument> {
        place.object()?;
        Ok(Self {
            max_attempts: attempts(place)?,
            delay: place.field("hedgingDelay").map_or(Ok(Duration::ZERO), |p| p.duration())?,
            non_fatal: place
                .field("nonFatalStatusCodes")
                .map_or_else(|| Ok(Codes::default()), |p| p.codes())?,
        })
    }
}

impl RetryThrottling {
    fn read(place: &Place<'_>) -> Result<Self, InvalidArgument> {
        place.object()?;
        let ratio = place.required("tokenRatio")?;
        // A ratio that is not reached by the third place behind the point is none.
        let thousandths = (ratio.positive_number()? * 1000.0).floor().min(1e6);
        if thousandths < 1.0 {
            return Err(ratio.refuse("a number of at least 0.001"));
        }
        Ok(Self {
            max_tokens: place.required("maxTokens")?.integer(1, 1000)? * 1000,
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // 1 to 1,000,000
            token_ratio: thousandths as u32,
        })
    }
}

#[cfg(test)]
mod tests;
