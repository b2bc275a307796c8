//! Sorts 64 bytes of JSON at a time into the few classes that its structure depends on.
//!
//! The method is that of simdjson (Langdale and Lemire, "Parsing Gigabytes of JSON per Second", 2019), here with SSE2, which
//! every x86-64 has, and with plain integers elsewhere.

pub(super) const SIZE: usize = 64;

/// For each class, a bit per byte, the first byte in bit 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Classes {
    pub(super) quote: u64,
    pub(super) backslash: u64,
    /// Below 0x20.
    pub(super) control: u64,
    /// Up to 0x20.
    pub(super) blank: u64,
    /// `{}[]:,`
    pub(super) punctuation: u64,
}

#[cfg(target_arch = "x86_64")]
#[inline]
pub(super) fn classify(block: &[u8; SIZE]) -> Classes {
    // SAFETY: SSE2 is part of x86-64.
    unsafe { sse2::classify(block) }
}

#[cfg(not(target_arch = "x86_64"))]
#[inline]
pub(super) fn classify(block: &[u8; SIZE]) -> Classes {
    portable::classify(block)
}

#[cfg(target_arch = "x86_64")]
mod sse2 {
    use std::arch::x86_64::{
        __m128i, _mm_cmpeq_epi8, _mm_min_epu8, _mm_movemask_epi8, _mm_or_si128, _mm_set_epi64x,
        _mm_set1_epi8,
    };

    use super::{Classes, SIZE};

    #[target_feature(enable = "sse2")]
    #[inline]
    pub(super) fn classify(block: &[u8; SIZE]) -> Classes {
        let mut classes = Classes {
            quote: 0,
            backslash: 0,
            control: 0,
            blank: 0,
            punctuation: 0,
        };
        let (chunks, _) = block.as_chunks::<16>();
        for (i, chunk) in chunks.iter().enumerate() {
            let bytes = load(chunk);
            let is = |byte: u8| _mm_cmpeq_epi8(bytes, splat(byte));
            // `[` and `{`, and `]` and `}`, differ in this bit only.
            let folded = _mm_or_si128(bytes, splat(0x20));
            let is_folded = |byte: u8| _mm_cmpeq_epi8(folded, splat(byte));
            let is_up_to = |limit: u8| _mm_cmpeq_epi8(_mm_min_epu8(bytes, splat(limit)), bytes);
            let punctuation = or(or(is_folded(b'{'), is_folded(b'}')), or(is(b':'), is(b',')));
            let at = i * 16;
            classes.quote |= bits(is(b'"')) << at;
            classes.backslash |= bits(is(b'\\')) << at;
            classes.control |= bits(is_up_to(0x1F)) << at;
            classes.blank |= bits(is_up_to(b' ')) << at;
            classes.punctuation |= bits(punctuation) << at;
        }
        classes
    }

    #[target_feature(enable = "sse2")]
    #[inline]
    fn load(chunk: &[u8; 16]) -> __m128i {
        let both = u128::from_le_bytes(*chunk);
        #[allow(clippy::cast_possible_truncation)] // the halves
        let (low, high) = (both as i64, (both >> 64) as i64);
        _mm_set_epi64x(high, low)
    }

    #[target_feature(enable = "sse2")]
    #[inline]
    fn splat(byte: u8) -> __m128i {
        _mm_set1_epi8(byte.cast_signed())
    }

    #[target_feature(enable = "sse2")]
    #[inline]
    fn or(a: __m128i, b: __m128i) -> __m128i {
        _mm_or_si128(a, b)
    }

    #[target_feature(enable = "sse2")]
    #[inline]
    fn bits(lanes: __m128i) -> u64 {
        u64::from(_mm_movemask_epi8(lanes).cast_unsigned())
    }
}

#[cfg(any(test, not(target_arch = "x86_64")))]
mod portable {
    use super::{Classes, SIZE};

    pub(super) fn classify(block: &[u8; SIZE]) -> Classes {
        Classes {
            quote: bits(block, |byte| byte == b'"'),
            backslash: bits(block, |byte| byte == b'\\'),
            control: bits(block, |byte| byte < 0x20),
            blank: bits(block, |byte| byte <= b' '),
            punctuation: bits(block, |byte| {
                matches!(byte, b'{' | b'}' | b'[' | b']' | b':' | b',')
            }),
        }
    }

    /// Compilers turn the comparison of eight bytes into one; the product gathers their lowest bits in the highest byte.
    #[inline]
    fn bits(block: &[u8; SIZE], is: impl Fn(u8) -> bool) -> u64 {
        let (words, _) = block.as_chunks::<8>();
        words.iter().rev().fold(0, |bits, word| {
            let flags = u64::from_le_bytes(word.map(|byte| u8::from(is(byte))));
            bits << 8 | flags.wrapping_mul(0x0102_0408_1020_4080) >> 56
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{classify, portable};

    #[test]
    fn every_byte_is_in_the_same_classes_everywhere() {
        for start in (0..=u8::MAX).step_by(61) {
            let block = std::array::from_fn(|i| start.wrapping_add(u8::try_from(i).unwrap()));
            assert_eq!(classify(&block), portable::classify(&block));
        }
    }
}
