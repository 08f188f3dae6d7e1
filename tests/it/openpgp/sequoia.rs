//! Sequoia's own way to seal and open, start to end.

use std::io::{Read, Write};

use anyhow::Result;
use sequoia_openpgp::crypto::SessionKey;
use sequoia_openpgp::packet::{PKESK, SKESK};
use sequoia_openpgp::parse::Parse;
use sequoia_openpgp::parse::stream::{
    DecryptionHelper, DecryptorBuilder, MessageStructure, VerificationHelper,
};
use sequoia_openpgp::policy::StandardPolicy;
use sequoia_openpgp::serialize::stream::{Encryptor, LiteralWriter, Message};
use sequoia_openpgp::types::SymmetricAlgorithm;
use sequoia_openpgp::{Cert, KeyHandle};

pub(super) fn seal(secret: &str, content: &[u8]) -> Result<Vec<u8>> {
    let mut message = Vec::new();
    let encryptor = Encryptor::with_passwords(Message::new(&mut message), [secret])
        .symmetric_algo(SymmetricAlgorithm::AES256)
        .build()?;
    let mut literal = LiteralWriter::new(encryptor).build()?;
    literal.write_all(content)?;
    literal.finalize()?;
    Ok(message)
}

pub(super) fn open(secret: &str, message: &[u8]) -> Result<Vec<u8>> {
    let policy = StandardPolicy::new();
    let mut content = Vec::new();
    DecryptorBuilder::from_bytes(message)?
        .with_policy(&policy, None, Knows(secret))?
        .read_to_end(&mut content)?;
    Ok(content)
}

/// Somebody who knows the passphrase and cares for no signatures.
struct Knows<'a>(&'a str);

impl DecryptionHelper for Knows<'_> {
    fn decrypt(
        &mut self,
        _: &[PKESK],
        skesks: &[SKESK],
        _: Option<SymmetricAlgorithm>,
        decrypt: &mut dyn FnMut(Option<SymmetricAlgorithm>, &SessionKey) -> bool,
    ) -> Result<Option<Cert>> {
        for skesk in skesks {
            let (algorithm, key) = skesk.decrypt(&self.0.into())?;
            if decrypt(algorithm, &key) {
                break;
            }
        }
        Ok(None)
    }
}

impl VerificationHelper for Knows<'_> {
    fn get_certs(&mut self, _: &[KeyHandle]) -> Result<Vec<Cert>> {
        Ok(Vec::new())
    }

    fn check(&mut self, _: MessageStructure<'_>) -> Result<()> {
        Ok(())
    }
}
