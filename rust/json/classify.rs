//! Sorts 64 bytes of JSON at a time into the few classes that its structure depends on.
//!
//! The method is that of simdjson (Langdale and Lemire, "Parsing Gigabytes of JSON per Second", 2019), here with AVX2 where
//! the processor has it, with SSE2, which every x86-64 has, and with plain integers elsewhere.

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
    /// `{` and `[`
    pub(super) open: u64,
    /// `}` and `]`
    pub(super) close: u64,
    pub(super) comma: u64,
    pub(super) colon: u64,
    /// Set for `{` and `}`. Meaningless for bytes that are not brackets: mask with `open | close` first.
    pub(super) curly: u64,
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

/// Bit `n` is the parity of bits `0..=n`.
pub(super) fn prefix_xor(bits: u64) -> u64 {
    [1, 2, 4, 8, 16, 32]
        .iter()
        .fold(bits, |bits, shift| bits ^ bits << shift)
}

#[cfg(target_arch = "x86_64")]
pub(super) mod avx2 {
    use std::arch::x86_64::{
        __m256i, _mm_clmulepi64_si128, _mm_cvtsi64_si128, _mm_cvtsi128_si64, _mm256_cmpeq_epi8,
        _mm256_loadu_si256, _mm256_min_epu8, _mm256_movemask_epi8, _mm256_or_si256,
        _mm256_set1_epi8, _mm256_slli_epi16,
    };

    use super::{Classes, SIZE};

    /// Classifies as [`super::sse2::classify`] does, whose comments explain the method, with twice the bytes per instruction.
    #[target_feature(enable = "avx2")]
    #[inline]
    pub(in super::super) fn classify(block: &[u8; SIZE]) -> Classes {
        let halves = block.as_chunks::<32>().0.first_chunk::<2>();
        let [low, high] = halves.map_or([splat(0); 2], |halves| {
            halves.each_ref().map(|half| load(half))
        });
        let is = |byte: u8| {
            both(
                _mm256_cmpeq_epi8(low, splat(byte)),
                _mm256_cmpeq_epi8(high, splat(byte)),
            )
        };
        let folded = [low, high].map(|bytes| _mm256_or_si256(bytes, splat(0x20)));
        let is_folded = |byte: u8| {
            let [low, high] = folded.map(|bytes| _mm256_cmpeq_epi8(bytes, splat(byte)));
            both(low, high)
        };
        let are_control = |bytes| _mm256_cmpeq_epi8(_mm256_min_epu8(bytes, splat(0x1F)), bytes);
        // Many texts have none at all, which the smaller byte of each two tells.
        let has_control = _mm256_movemask_epi8(are_control(_mm256_min_epu8(low, high))) != 0;
        let control = if has_control {
            both(are_control(low), are_control(high))
        } else {
            0
        };
        Classes {
            quote: is(b'"'),
            backslash: is(b'\\'),
            control,
            blank: is(b' ') | control,
            open: is_folded(b'{'),
            close: is_folded(b'}'),
            comma: is(b','),
            colon: is(b':'),
            curly: both(_mm256_slli_epi16(low, 2), _mm256_slli_epi16(high, 2)),
        }
    }

    /// Whether this processor has AVX2 and its companions.
    pub(in super::super) fn is_here() -> bool {
        use std::arch::is_x86_feature_detected as has;
        has!("avx2") && has!("bmi1") && has!("pclmulqdq")
    }

    /// Computes [`super::prefix_xor`] as one carry-less product with all ones.
    #[target_feature(enable = "pclmulqdq")]
    #[inline]
    pub(in super::super) fn prefix_xor(bits: u64) -> u64 {
        let ones = _mm_cvtsi64_si128(-1);
        let product = _mm_clmulepi64_si128::<0>(_mm_cvtsi64_si128(bits.cast_signed()), ones);
        _mm_cvtsi128_si64(product).cast_unsigned()
    }

    #[target_feature(enable = "avx2")]
    #[inline]
    fn load(half: &[u8; 32]) -> __m256i {
        // SAFETY: 32 bytes to read, and the load may be unaligned.
        unsafe { _mm256_loadu_si256(half.as_ptr().cast()) }
    }

    #[target_feature(enable = "avx2")]
    #[inline]
    fn splat(byte: u8) -> __m256i {
        _mm256_set1_epi8(byte.cast_signed())
    }

    #[target_feature(enable = "avx2")]
    #[inline]
    fn both(low: __m256i, high: __m256i) -> u64 {
        let bits = |lanes| u64::from(_mm256_movemask_epi8(lanes).cast_unsigned());
        bits(low) | bits(high) << 32
    }
}

#[cfg(target_arch = "x86_64")]
mod sse2 {
    use std::arch::x86_64::{
        __m128i, _mm_cmpeq_epi8, _mm_min_epu8, _mm_movemask_epi8, _mm_or_si128, _mm_set_epi64x,
        _mm_set1_epi8, _mm_slli_epi16,
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
            open: 0,
            close: 0,
            comma: 0,
            colon: 0,
            curly: 0,
        };
        let (chunks, _) = block.as_chunks::<16>();
        for (i, chunk) in chunks.iter().enumerate() {
            let bytes = load(chunk);
            let is = |byte: u8| _mm_cmpeq_epi8(bytes, splat(byte));
            // `[` differs from `{`, and `]` from `}`, in this bit only; the shift makes it the highest bit of its byte.
            let curly = _mm_slli_epi16(bytes, 2);
            let folded = _mm_or_si128(bytes, splat(0x20));
            let is_folded = |byte: u8| _mm_cmpeq_epi8(folded, splat(byte));
            let is_up_to = |limit: u8| _mm_cmpeq_epi8(_mm_min_epu8(bytes, splat(limit)), bytes);
            let at = i * 16;
            classes.quote |= bits(is(b'"')) << at;
            classes.backslash |= bits(is(b'\\')) << at;
            classes.control |= bits(is_up_to(0x1F)) << at;
            classes.blank |= bits(is_up_to(b' ')) << at;
            classes.open |= bits(is_folded(b'{')) << at;
            classes.close |= bits(is_folded(b'}')) << at;
            classes.comma |= bits(is(b',')) << at;
            classes.colon |= bits(is(b':')) << at;
            classes.curly |= bits(curly) << at;
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
            open: bits(block, |byte| matches!(byte, b'{' | b'[')),
            close: bits(block, |byte| matches!(byte, b'}' | b']')),
            comma: bits(block, |byte| byte == b','),
            colon: bits(block, |byte| byte == b':'),
            curly: bits(block, |byte| byte & 0x20 != 0),
        }
    }

    /// Compilers turn the eight comparisons into one; the product gathers the lowest bit of each byte in the highest byte.
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
            #[cfg(target_arch = "x86_64")]
            if super::avx2::is_here() {
                // SAFETY: this processor has AVX2.
                let wide = unsafe { super::avx2::classify(&block) };
                assert_eq!(wide, portable::classify(&block));
            }
        }
    }

    #[test]
    fn parities_are_the_same_everywhere() {
        let mut bits = 0x9E37_79B9_7F4A_7C15_u64;
        for _ in 0..100 {
            let slow = (0..64).fold(0, |all, n| {
                let below = bits & (u64::MAX >> (63 - n));
                all | u64::from(below.count_ones() % 2) << n
            });
            assert_eq!(super::prefix_xor(bits), slow);
            #[cfg(target_arch = "x86_64")]
            if super::avx2::is_here() {
                // SAFETY: this processor has carry-less products.
                assert_eq!(unsafe { super::avx2::prefix_xor(bits) }, slow);
            }
            bits = bits.rotate_left(7).wrapping_mul(0x2545_F491_4F6C_DD1D);
        }
    }
}
