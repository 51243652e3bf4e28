//! 160-bit identifiers and the XOR metric (BEP 5).

use std::fmt;

/// A node id, an infohash or a lookup target: 20 bytes, most significant first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id(pub [u8; 20]);

impl Id {
    /// Bits in an identifier.
    pub const BITS: usize = 160;

    /// The XOR distance to `other`, itself 160 bits long; smaller is closer.
    #[must_use]
    pub fn distance(&self, other: &Self) -> Self {
        Self(std::array::from_fn(|i| self.0[i] ^ other.0[i]))
    }

    /// Number of leading bits shared with `other`, 0 to 160.
    #[must_use]
    pub fn common_prefix(&self, other: &Self) -> usize {
        let distance = self.distance(other).0;
        match distance.iter().position(|&byte| byte != 0) {
            Some(i) => i * 8 + distance[i].leading_zeros() as usize,
            None => Self::BITS,
        }
    }
}

impl TryFrom<&[u8]> for Id {
    type Error = std::array::TryFromSliceError;

    fn try_from(bytes: &[u8]) -> Result<Self, Self::Error> {
        bytes.try_into().map(Self)
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_common_prefix_is_counted_in_bits() {
        let zero = Id([0; 20]);
        let mut other = zero;
        assert_eq!(zero.common_prefix(&other), 160);
        other.0[2] = 0b0001_0000;
        assert_eq!(zero.common_prefix(&other), 19);
        other.0[0] = 0x80;
        assert_eq!(zero.common_prefix(&other), 0);
    }
}
