//! The checksums that an object may travel with.

use aws_sdk_s3::config::Builder;
use aws_sdk_s3::operation::put_object::builders::PutObjectFluentBuilder;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use crc_fast::{CrcAlgorithm, checksum};
use md5::{Digest as _, Md5};

use super::bench::Bench;

/// A checksum, in a header of the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sum {
    Crc64Nvme,
    Crc32c,
    Md5,
    /// None but the signature's.
    None,
}

impl Sum {
    /// How people call it.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Crc64Nvme => "CRC64NVME",
            Self::Crc32c => "CRC32C",
            Self::Md5 => "Content-MD5",
            Self::None => "no checksum",
        }
    }

    /// The value for a content, as S3 writes it.
    pub(super) fn of(self, content: &[u8]) -> String {
        match self {
            Self::Crc64Nvme => {
                STANDARD.encode(checksum(CrcAlgorithm::Crc64Nvme, content).to_be_bytes())
            }
            Self::Crc32c => {
                let sum = checksum(CrcAlgorithm::Crc32Iscsi, content).to_be_bytes();
                STANDARD.encode(&sum[4..])
            }
            Self::Md5 => STANDARD.encode(Md5::digest(content)),
            Self::None => String::new(),
        }
    }

    /// The call with the checksum of this content, which need not be the one that is sent.
    pub(super) fn on(self, call: PutObjectFluentBuilder, content: &[u8]) -> PutObjectFluentBuilder {
        match self {
            Self::Crc64Nvme => call.checksum_crc64_nvme(self.of(content)),
            Self::Crc32c => call.checksum_crc32_c(self.of(content)),
            Self::Md5 => call.content_md5(self.of(content)),
            Self::None => call,
        }
    }

    /// The settings that keep the SDK from adding another one.
    pub(super) fn settings(self, bench: &Bench) -> Builder {
        match self {
            Self::Crc64Nvme | Self::Crc32c => bench.patience(),
            Self::Md5 | Self::None => bench.bare(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_are_written_as_s3_writes_them() {
        let told = [Sum::Crc64Nvme, Sum::Crc32c, Sum::Md5].map(|sum| sum.of(b"123456789"));
        assert_eq!(
            told,
            ["rosUhgp5mIg=", "4waSgw==", "JfnnlDI7RTiF9RgfG2JNCw=="]
        );
    }
}
