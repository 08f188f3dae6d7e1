#![expect(clippy::unwrap_used, reason = "a test may fail")]

use jiff::Timestamp;
use proptest::prelude::*;

use super::*;

/// The seed and the public key of the first test in RFC 8032, section 7.1.
const SEED: &str = "nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A";
const PUBLIC: &str = "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo";

fn read(text: &str) -> Result<Vec<VerifyKey>, SigningKeyError> {
    verify_keys(&text.to_owned().into())
}

fn key(name: &str, filling: u8) -> VerifyKey {
    VerifyKey {
        id: KeyId::parse(&format!("ed25519:{name}")).unwrap(),
        key: PublicKey::from_bytes(&[filling; 32]),
    }
}

fn at(milliseconds: i64) -> Timestamp {
    Timestamp::from_millisecond(milliseconds).unwrap()
}

/// As `name=filling@time`.
fn shown(old: &OldSigningKeys) -> String {
    let show = |(id, old): (&KeyId, &OldSigningKey)| {
        let filling = (0..=255)
            .find(|filling| PublicKey::from_bytes(&[*filling; 32]) == old.key)
            .unwrap();
        format!("{id}={filling}@{}", old.expired.as_millisecond())
    };
    old.iter().map(show).collect::<Vec<_>>().join(" ")
}

#[test]
fn a_signing_key_file_gives_its_public_keys() {
    let expected = |name: &str| VerifyKey {
        id: KeyId::parse(&format!("ed25519:{name}")).unwrap(),
        key: PublicKey::parse(PUBLIC).unwrap(),
    };
    let one = format!("ed25519 a_abcd {SEED}\n");
    assert_eq!(read(&one).unwrap(), [expected("a_abcd")]);
    // Synapse takes padding, the alphabet for URLs, empty lines and any white space.
    let other = SEED.replace('/', "_");
    let two = format!("\r\n\n ed25519\t1  {SEED}=\r\n\ned25519 0 {other}");
    assert_eq!(read(&two).unwrap(), [expected("1"), expected("0")]);
}

#[test]
fn what_is_no_signing_key_file_is_refused_by_its_line() {
    let good = format!("ed25519 a {SEED}\n");
    let tell = |text: String| {
        let error = read(&text).unwrap_err();
        assert!(!format!("{error} {error:?}").contains("nWGx"), "{error:?}");
        error
    };
    assert_eq!(tell(" \n\n".to_owned()), SigningKeyError::Empty);
    for shape in [
        SEED.to_owned(),
        format!("ed25519 {SEED}"),
        format!("ed25519 a {SEED} x"),
    ] {
        let expected = SigningKeyError::Shape { line: 3 };
        assert_eq!(tell(format!("{good}\n{shape}")), expected);
    }
    let expected = SigningKeyError::Algorithm { line: 2 };
    assert_eq!(tell(format!("{good}rsa a {SEED}")), expected);
    let expected = SigningKeyError::Name { line: 1 };
    assert_eq!(tell(format!("ed25519 a\u{1} {SEED}")), expected);
    for seed in [
        &SEED[1..],
        &format!("{SEED}AAAA"),
        "!",
        &"A".repeat(4000),
        "nWGx/_",
    ] {
        let expected = SigningKeyError::Seed { line: 1 };
        assert_eq!(tell(format!("ed25519 a {seed}")), expected, "{seed}");
    }
}

#[test]
fn the_keys_that_were_replaced_become_old() {
    let retired = retire(
        OldSigningKeys::default(),
        &[key("b", 2), key("a", 1)],
        &[key("c", 3)],
        at(1000),
    );
    assert_eq!(shown(&retired), "ed25519:a=1@1000 ed25519:b=2@1000");
    // The way back: what was old is in use again.
    let back = retire(
        retired,
        &[key("c", 3)],
        &[key("b", 2), key("a", 1)],
        at(2000),
    );
    assert_eq!(shown(&back), "ed25519:c=3@2000");
}

#[test]
fn a_key_that_stays_in_use_is_not_old() {
    let none = retire(
        OldSigningKeys::default(),
        &[key("a", 1)],
        &[key("a", 1)],
        at(1),
    );
    assert!(none.is_empty());
}

#[test]
fn one_name_never_means_two_keys() {
    let kept = retire(
        OldSigningKeys::default(),
        &[key("a", 1), key("b", 2)],
        &[],
        at(1),
    );
    let (replaced, in_use) = ([key("b", 9), key("c", 3)], [key("a", 8), key("c", 3)]);
    let retired = retire(kept.clone(), &replaced, &in_use, at(2));
    assert_eq!(shown(&retired), "ed25519:b=2@1");
    let clashing: Vec<String> = clashes(&kept, &replaced, &in_use)
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(clashing, ["ed25519:a", "ed25519:b"]);
}

#[test]
fn keys_of_two_configurations_are_joined() {
    let here = retire(OldSigningKeys::default(), &[key("a", 1)], &[], at(1));
    let there = retire(
        OldSigningKeys::default(),
        &[key("a", 1), key("b", 2)],
        &[],
        at(5),
    );
    assert_eq!(
        shown(&here.joined_with(there)),
        "ed25519:a=1@1 ed25519:b=2@5"
    );
}

/// Few names and few keys, so that they often meet.
fn some_keys() -> impl Strategy<Value = Vec<VerifyKey>> {
    let one = ("[a-d]", 0..3_u8).prop_map(|(name, filling)| key(&name, filling));
    proptest::collection::vec(one, 0..4)
}

proptest! {
    #[test]
    fn keys_are_retired_once_and_none_is_lost(
        first in some_keys(), replaced in some_keys(), in_use in some_keys(), then in 0..10_i64, now in 10..20_i64,
    ) {
        let kept = retire(OldSigningKeys::default(), &first, &[], at(then));
        let once = retire(kept.clone(), &replaced, &in_use, at(now));
        let twice = retire(once.clone(), &replaced, &in_use, at(now + 5));
        prop_assert_eq!(&once, &twice);

        let used = |id: &KeyId| in_use.iter().any(|key| key.id == *id);
        for (id, old) in once.iter() {
            prop_assert!(!used(id));
            prop_assert!(kept.get(id).is_none_or(|kept| kept == old));
        }
        let clashing = clashes(&kept, &replaced, &in_use);
        for VerifyKey { id, key } in first.iter().chain(&replaced) {
            let published = once.get(id).is_some_and(|old| old.key == *key)
                || in_use.iter().any(|used| used.id == *id && used.key == *key);
            // The first list may itself name two keys alike.
            let twice = first.iter().any(|other| other.id == *id && other.key != *key);
            prop_assert!(published || twice || clashing.contains(id));
        }
    }
}
